// A small OpenID Provider on node-oidc-provider: its users approve CIBA requests
// on devices that Mitome knows. `node op.js op.json` runs it; what op.json holds
// is in docs/ops/node-oidc-provider.md.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import * as jose from 'jose';
import { Provider, errors } from 'oidc-provider';

import { Memory } from './adapter.js';
import { Mitome } from './mitome.js';

const config = JSON.parse(readFileSync(process.argv[2] ?? 'op.json', 'utf8'));
const users = new Map(config.users.map((user) => [user.sub, user]));
const hintKeys = jose.createLocalJWKSet(config.login_hint_tokens?.jwks ?? { keys: [] });

// The request outlives Mitome's question by this, because a decision of the last
// second is still on its way.
const headroom = 3;
const shortest = 10; // seconds, for which Mitome asks at least
const longest = 600;

const mitome = new Mitome({
  requests: config.mitome.requests,
  key: readFileSync(config.mitome.key_file, 'utf8').trim(),
  secrets: readFileSync(config.mitome.secrets_file, 'utf8').split('\n').map((s) => s.trim()).filter(Boolean),
  headroom,
  ownCodes: config.own_codes,
});

// byName finds the user whom a client means by a login_hint.
function byName(hint) {
  const name = hint.toLowerCase();
  return config.users.find((user) => [user.username, user.email].includes(name))?.sub;
}

// byToken reads a login_hint_token: a JWT with sub, for this OP, of an issuer
// that the configuration names.
async function byToken(token) {
  try {
    const { payload } = await jose.jwtVerify(token, hintKeys, {
      issuer: config.login_hint_tokens?.issuer ?? [],
      audience: config.issuer,
      algorithms: ['ES256', 'PS256'],
      requiredClaims: ['sub', 'exp'],
    });
    return payload.sub;
  } catch (err) {
    if (err instanceof jose.errors.JWTExpired) {
      throw new errors.ExpiredLoginHintToken('login_hint_token has expired');
    }
    throw new errors.InvalidRequest('login_hint_token is not one of ours');
  }
}

function contextIsObject(_ctx, context) {
  if (context !== undefined && !Mitome.object(context)) {
    throw new errors.InvalidRequest('request_context is not a JSON object');
  }
}

// reach has the library call clients in private networks too, if the
// configuration names their origin: by itself it calls public addresses alone.
function reach(url, options) {
  if (!config.private_clients?.includes(new URL(url).origin)) return fetch(url, options);
  const { dispatcher, ...rest } = options;
  return fetch(url, rest);
}

async function freshKeys() {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
  return { keys: [{ ...await jose.exportJWK(privateKey), kid: randomBytes(8).toString('hex'), alg: 'RS256', use: 'sig' }] };
}

const provider = new Provider(config.issuer, {
  adapter: Memory,
  clients: config.clients,
  // Made anew at each start, as everything that was signed is forgotten then too.
  jwks: config.jwks ?? await freshKeys(),
  cookies: { keys: [randomBytes(32).toString('hex')] },
  fetch: reach,
  findAccount: (_ctx, sub) => (users.has(sub) ? { accountId: sub, claims: () => ({ sub, email: users.get(sub).email }) } : undefined),
  // As claims of the scope openid they are in every ID token. By themselves acr
  // is there only if acr_values was sent, and the others only by the parameter
  // claims.
  acrValues: config.acr_values ?? ['phr'],
  claims: { openid: ['sub', 'acr', 'amr', 'auth_time'], email: ['email'] },
  ttl: {
    AccessToken: 3600,
    IdToken: 3600,
    Grant: 24 * 3600,
    BackchannelAuthenticationRequest: (_ctx, request) => Math.min(longest,
      Math.max(shortest + headroom, Number(request.params.requested_expiry ?? 120))),
  },
  features: {
    devInteractions: { enabled: false },
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint: (_ctx, hint) => byName(hint),
      processLoginHintToken: (_ctx, token) => byToken(token),
      triggerAuthenticationDevice: (ctx, request, account, client) => mitome.ask(request, account, client),
      validateRequestContext: contextIsObject,
      // What the user is shown, and the code that she types on her device, are
      // Mitome's to judge: its word comes back from triggerAuthenticationDevice.
      validateBindingMessage() {},
      verifyUserCode: (ctx, account, code) => mitome.verify(account, ctx.oidc.client, code),
    },
  },
});
mitome.provider = provider;
provider.on('server_error', (_ctx, err) => console.error(err.message));

const handle = provider.callback();
const [, host, port] = /^(.*):(\d+)$/.exec(config.listen);
createServer((req, res) => {
  if (req.url === '/mitome') return mitome.webhook(req, res);
  return handle(req, res);
}).listen(Number(port), host, () => console.log(`OP at ${config.issuer}`));
