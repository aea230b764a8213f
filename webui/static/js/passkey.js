// Passkeys: WebAuthn's options and answers as JSON.
//
// Browsers since 2023 or so read and write that JSON themselves; for the others
// the few fields that hold bytes are turned here.

/** Whether this browser can hold or use a passkey at all. */
export function supported() {
  return typeof window.PublicKeyCredential === 'function' && !!navigator.credentials?.create;
}

/** Makes a passkey from {"publicKey": …} and returns it as JSON. */
export async function create(options) {
  const made = await navigator.credentials.create({ publicKey: readCreation(options.publicKey) });
  return write(made);
}

/** Signs with a passkey as {"publicKey": …} asks and returns the assertion as JSON. */
export async function get(options, extra = {}) {
  const got = await navigator.credentials.get({ publicKey: readRequest(options.publicKey), ...extra });
  return write(got);
}

function readCreation(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    user: { ...json.user, id: bytes(json.user.id) },
    excludeCredentials: (json.excludeCredentials ?? []).map(readDescriptor),
  };
}

function readRequest(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    allowCredentials: (json.allowCredentials ?? []).map(readDescriptor),
  };
}

function readDescriptor(d) {
  return { ...d, id: bytes(d.id) };
}

function write(credential) {
  // Some password managers put their own object in the browser's place, whose
  // toJSON is missing or throws.
  try {
    if (typeof credential.toJSON === 'function') return credential.toJSON();
  } catch {
    // written by hand below
  }
  const { response } = credential;
  const out = {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: credential.getClientExtensionResults?.() ?? {},
    response: { clientDataJSON: text(response.clientDataJSON) },
  };
  if (credential.authenticatorAttachment) out.authenticatorAttachment = credential.authenticatorAttachment;
  for (const field of ['attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (response[field]) out.response[field] = text(response[field]);
  }
  const transports = response.getTransports?.();
  if (transports) out.response.transports = transports;
  return out;
}

function bytes(base64url) {
  const plain = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (c) => c.charCodeAt(0));
}

function text(buffer) {
  let plain = '';
  for (const b of new Uint8Array(buffer)) plain += String.fromCharCode(b);
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
