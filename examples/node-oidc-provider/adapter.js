// Where node-oidc-provider keeps what it issues: in memory, so one process, and
// gone when it ends. For more use an adapter for a database. Whichever it is, it
// must keep a CIBA request for a while after its end: of one that is gone the
// client hears invalid_grant, and not expired_token.

const kept = 60; // seconds after the end

const all = new Map(); // `${model}:${id}` → { payload, until }

export class Memory {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const now = Date.now();
    for (const [key, { until }] of all) if (until < now) all.delete(key);
    all.set(this.key(id), { payload, until: expiresIn ? now + (expiresIn + kept) * 1000 : Infinity });
  }

  async find(id) {
    const one = all.get(this.key(id));
    return one && Date.now() < one.until ? one.payload : undefined;
  }

  async consume(id) {
    const one = all.get(this.key(id));
    if (one) one.payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    all.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const [key, { payload }] of all) if (payload.grantId === grantId) all.delete(key);
  }

  async findBy(field, value) {
    for (const [key, { payload }] of all) {
      if (key.startsWith(`${this.model}:`) && payload[field] === value) return payload;
    }
    return undefined;
  }

  findByUid(uid) {
    return this.findBy('uid', uid);
  }

  findByUserCode(userCode) {
    return this.findBy('userCode', userCode);
  }
}
