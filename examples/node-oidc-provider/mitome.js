// The two halves of an OP that has Mitome ask its users: ask puts a request to
// Mitome, webhook takes the decision.

import { errors } from 'oidc-provider';
import { Webhook } from 'standardwebhooks';

const patience = 10_000; // ms for Mitome to take a request
const maxBody = 64 * 1024;

// forClients are the codes of Mitome that mean the same to the client. Any other
// is between the two of us, and the client hears server_error.
const forClients = new Set(['unknown_user_id', 'invalid_request', 'invalid_binding_message',
  'missing_user_code', 'invalid_user_code', 'invalid_scope', 'access_denied']);

export class Mitome {
  // asked is which request of Mitome's is about which auth_req_id. With more than
  // one process it belongs into the database, beside what the adapter keeps.
  asked = new Map();

  // settling are the auth_req_ids whose decision is being carried out, one at a
  // time: the library would let a second one change an approval that is not yet
  // fetched.
  settling = new Set();

  // ownCodes are the clients whose user_code is a secret of the user's own. That of
  // any other is shown by the client, and typed on the device.
  constructor({ requests, key, secrets, headroom, ownCodes = [] }) {
    Object.assign(this, { requests, key, headroom, ownCodes });
    this.hooks = secrets.map((secret) => new Webhook(secret));
  }

  // object reads a JSON object; undefined if it is none.
  static object(text) {
    try {
      const value = JSON.parse(text);
      return value && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  // verify is verifyUserCode, which comes before anybody is asked. Mitome counts
  // wrong codes, and answers a locked one as it does a wrong one.
  async verify(account, client, code) {
    if (!this.ownCodes.includes(client.clientId)) return; // judged with the request
    const response = await this.call(new URL('users/user-code', this.requests), {
      sub: account.accountId,
      client_id: client.clientId,
      user_code: code,
    });
    if (!response.ok) throw Mitome.refusal(response, await response.json().catch(() => ({})));
  }

  // refusal is what the client hears of a problem.
  static refusal(response, said) {
    if (forClients.has(said.error)) return new errors.CustomOIDCProviderError(said.error, said.title);
    return new Error(`Mitome answered ${response.status} ${said.type ?? ''}`);
  }

  // ask is triggerAuthenticationDevice: the client is answered when it returns.
  async ask(request, account, client) {
    const { params } = request;
    const response = await this.post(request.jti, {
      sub: account.accountId,
      client_id: client.clientId,
      client_name: client.clientName,
      scope: request.scope,
      binding_message: params.binding_message,
      user_code: this.ownCodes.includes(client.clientId) ? undefined : params.user_code,
      acr_values: params.acr_values,
      request_context: Mitome.object(params.request_context),
      expires_in: request.expiration - this.headroom,
    });
    const said = await response.json().catch(() => ({}));
    if (response.ok && said.id) {
      this.asked.set(said.id, { id: request.jti, until: Date.now() + (request.expiration + 120) * 1000 });
      return;
    }
    await request.destroy(); // nobody will decide it
    throw Mitome.refusal(response, said);
  }

  // post tells Mitome, and once more if the answer is lost: the auth_req_id names
  // the request, so that it is one all the same.
  async post(id, body) {
    const once = () => this.call(this.requests, body, { 'idempotency-key': id });
    const first = await once().catch(() => undefined);
    return first && first.status !== 503 ? first : once();
  }

  call(url, body, headers = {}) {
    return fetch(url, {
      method: 'POST',
      redirect: 'error',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
  }

  // webhook answers Mitome: 204 for what is taken or was known, 503 for what
  // shall be told again.
  async webhook(req, res) {
    const status = await this.take(req).catch((err) => {
      console.error('told Mitome to come again:', err.message);
      return 503;
    });
    res.writeHead(status).end();
  }

  async take(req) {
    if (req.method !== 'POST') return 405;
    const chunks = [];
    let size = 0;
    for await (const chunk of req) {
      size += chunk.length;
      if (size > maxBody) return 413;
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString();
    if (!this.genuine(body, req.headers)) return 401;
    const { type, data } = JSON.parse(body);
    if (type !== 'request.decided') return 204; // other events are not for us
    return this.decide(data);
  }

  // genuine says whether Mitome signed this, with any of the secrets: while they
  // change there are two.
  genuine(body, headers) {
    return this.hooks.some((hook) => {
      try {
        hook.verify(body, headers);
        return true;
      } catch {
        return false;
      }
    });
  }

  async decide(data) {
    for (const [key, { until }] of this.asked) if (until < Date.now()) this.asked.delete(key);
    const id = this.asked.get(data.id)?.id;
    if (!id) return 503; // ask has not heard Mitome's answer yet
    if (this.settling.has(id)) return 503;
    this.settling.add(id);
    try {
      const request = await this.provider.BackchannelAuthenticationRequest.find(id, { ignoreExpiration: true });
      if (!request || request.accountId !== data.sub || request.clientId !== data.client_id) return 400;
      if (!request.grantId && !request.error) await this.settle(request, data);
      return 204;
    } finally {
      this.settling.delete(id);
    }
  }

  // settle carries out a decision. In ping mode the library also throws if the
  // client cannot be pinged, though the decision is stored: Mitome then hears 503,
  // tells it again, and hears 204.
  async settle(request, { state, decision }) {
    const { acr, amr, auth_time: authTime } = decision ?? {};
    const approved = state === 'approved' && decision?.verdict === 'approve';
    const refusal = state === 'expired' ? errors.ExpiredToken : errors.AccessDenied;
    await this.provider.backchannelResult(request, approved ? await this.grant(request) : new refusal(), { acr, amr, authTime });
  }

  // grant is what the user has approved: what the client asked for.
  async grant(request) {
    const grant = new this.provider.Grant({ accountId: request.accountId, clientId: request.clientId });
    grant.addOIDCScope(request.scope);
    grant.addOIDCClaims(['acr', 'amr', 'auth_time']);
    await grant.save();
    return grant;
  }
}
