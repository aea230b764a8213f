// The demo's passkey in software. `mitome serve` has nothing like it: here a click
// stands for the finger, and the server holds the key.
//
// It offers itself only where the browser has no authenticator that verifies its
// user, and does nothing before it is asked to.
(() => {
  const CHOSEN = 'mitome.demo.passkey';
  const WORDS = {
    en: {
      name: 'Demo',
      none: 'This browser has no fingerprint, face or PIN of its own to make a passkey with.',
      use: 'Use the demo’s software passkey',
      used: 'The demo’s software passkey is in use: a click stands for your finger. Only the demo has it.',
    },
    ja: {
      name: 'デモ',
      none: 'このブラウザには、パスキーに使える指紋・顔・PINがありません。',
      use: 'デモ用のソフトウェアパスキーを使う',
      used: 'デモ用のソフトウェアパスキーを使用中です。クリックが指紋の代わりになります。これはデモだけの機能です。',
    },
  };
  const { run } = document.currentScript.dataset;
  const words = WORDS[document.documentElement.lang] ?? WORDS.en;

  const text = (buffer) => {
    const view = ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
    return btoa(String.fromCharCode(...view)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  };
  const descriptor = (d) => ({ ...d, id: text(d.id) });

  async function ask(step, options, signal) {
    signal?.throwIfAborted();
    const answer = await fetch(`/demo/passkey/${step}`, {
      method: 'POST', signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(options),
    });
    const said = await answer.json();
    if (!answer.ok) throw new DOMException('the demo’s passkey refuses', said.name);
    return { ...said, toJSON: () => said };
  }

  const software = {
    create: ({ publicKey: o, signal }) => ask('create', {
      challenge: text(o.challenge), rp: o.rp, pubKeyCredParams: o.pubKeyCredParams,
      user: { ...o.user, id: text(o.user.id) },
      excludeCredentials: (o.excludeCredentials ?? []).map(descriptor),
    }, signal),
    get: ({ publicKey: o, signal }) => ask('use', {
      challenge: text(o.challenge), rpId: o.rpId, allowCredentials: (o.allowCredentials ?? []).map(descriptor),
    }, signal),
  };
  const refuse = async () => { throw new DOMException('no authenticator', 'NotAllowedError'); };
  const put = (credentials) => Object.defineProperty(navigator, 'credentials', { value: credentials, configurable: true });

  function choose() {
    localStorage.setItem(CHOSEN, run);
    put(software);
  }

  /** The bar above the page. */
  function say(sentence, button) {
    const bar = document.createElement('aside');
    bar.className = 'demo-passkey';
    bar.id = 'demo-passkey';
    bar.setAttribute('aria-label', words.name);
    const p = document.createElement('p');
    p.setAttribute('role', 'status');
    p.textContent = sentence;
    bar.append(p);
    if (button) bar.append(button);
    document.getElementById('demo-passkey')?.remove();
    document.body.prepend(bar);
  }

  function offer() {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = words.use;
    button.addEventListener('click', () => {
      choose();
      say(words.used);
    });
    say(words.none, button);
  }

  /** Calls draw once there is a page to draw on. */
  function ready(draw) {
    if (document.body) draw();
    else document.addEventListener('DOMContentLoaded', draw, { once: true });
  }

  async function look() {
    let has = false;
    try {
      has = await window.PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
    } catch {
      // then it has none
    }
    if (!has) ready(offer);
  }

  if (localStorage.getItem(CHOSEN) === run) {
    choose();
    ready(() => say(words.used));
  } else if (typeof window.PublicKeyCredential === 'function' && navigator.credentials?.create) {
    look();
    return;
  } else {
    put({ create: refuse, get: refuse }); // until the click
    ready(offer);
  }
  // Mitome's pages look for this to know whether there can be passkeys at all.
  if (typeof window.PublicKeyCredential !== 'function') window.PublicKeyCredential = class PublicKeyCredential {};
})();
