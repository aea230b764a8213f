// Showing at a till who stands there: after the passkey, a code that changes
// every half minute, for five minutes, and only while somebody can see the page.

import { call, now, Offline, Problem } from './api.js';
import { live, serial } from './live.js';
import { get } from './passkey.js';
import { countdown, fill, press, say, show } from './stage.js';

const RETRY = 3000; // ms after which a code is asked for again where the network is gone

const page = document.querySelector('#code');
const image = document.querySelector('#code-qr');
const before = new Set(); // what had been asked already when the code was unlocked

let path = ''; // of the device's codes while they are shown
let until = 0; // the server's time from which it gives no more
let round = 0; // counts what ends a turn, so that an answer that comes late is dropped
let stop = () => {};

function device() {
  return page.dataset.device ?? page.querySelector('input[name="device"]:checked').value;
}

/** Takes the code off the screen. */
function clear() {
  round += 1;
  stop();
  stop = () => {};
  image.hidden = true;
  image.removeAttribute('src');
  for (const name of ['digits', 'spoken', 'left']) fill(name, '');
}

function draw(code) {
  const groups = code.login_hint_token.match(/.{4}/g);
  // An image's address is not code, so this needs no trust.
  image.src = `data:image/svg+xml,${encodeURIComponent(code.svg)}`;
  image.hidden = false;
  fill('digits', groups.join(' '));
  fill('spoken', groups.map((g) => [...g].join(' ')).join(', '));
}

/** Goes back to where the passkey is asked for, and says why. */
function lock(why) {
  path = '';
  clear();
  say('code', why);
  show('locked');
}

/** Shows the next code. The one before stays until it is there, and is good as long. */
async function next() {
  if (path === '' || document.hidden) return;
  if (now() >= until) {
    lock('over');
    return;
  }
  round += 1;
  const turn = round;
  let code;
  try {
    code = await call('POST', path);
  } catch (err) {
    if (turn !== round) return;
    if (!(err instanceof Offline)) return refused(err);
    clear();
    say('shown', 'offline');
    const timer = setTimeout(next, RETRY);
    stop = () => clearTimeout(timer);
    return;
  }
  if (turn !== round) return;
  say('shown', '');
  draw(code);
  stop();
  stop = countdown(new Date(now() + code.next_in * 1000).toISOString(), next);
}

/** Says why no code is shown. */
function refused(err) {
  if (err instanceof Offline) return lock('offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401 || err.status === 404 || err.type === 'device_cooling') return location.reload();
  if (err.type === 'unlock_first') return lock('over');
  if (err.status === 403 || err.status === 409) return lock('failed');
  return lock(err.status === 429 ? 'rate' : 'fault');
}

async function unlock() {
  say('code', '');
  const codes = `/v1/devices/${encodeURIComponent(device())}/hint-tokens`;
  let options;
  try {
    const { requests } = await call('GET', '/v1/requests');
    for (const r of requests) before.add(r.id);
    ({ options } = await call('POST', `${codes}/challenge`));
  } catch (err) {
    return refused(err);
  }
  let assertion;
  try {
    assertion = await get(options);
  } catch {
    return lock('cancelled');
  }
  try {
    const grant = await call('POST', `${codes}/unlock`, { assertion });
    until = Date.parse(grant.expires_at);
  } catch (err) {
    return refused(err);
  }
  path = codes;
  show('shown');
  return next();
}

/** Opens what a till has asked by the code. What came by another way waits: the person is at a till, and expects one thing. */
const look = serial(async () => {
  if (path === '') return;
  try {
    const { requests } = await call('GET', '/v1/requests');
    const came = requests.find((r) => r.by_code && !before.has(r.id));
    if (came) location.assign(`/requests/${encodeURIComponent(came.id)}`);
  } catch (err) {
    if (err instanceof Problem && err.status === 401) location.reload();
  }
});

press(document.querySelector('#unlock-code'), unlock);
press(document.querySelector('#lock-code'), () => lock(''));
document.addEventListener('visibilitychange', () => {
  clear(); // before the picture of the page that the phone keeps is taken, as far as it lets us
  next();
});
window.addEventListener('pagehide', clear);
window.addEventListener('pageshow', (ev) => ev.persisted && next());
live((frame) => (frame?.type === 'device' ? location.reload() : look()));
