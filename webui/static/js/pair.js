// The phone's side of a pairing: the secret of the link is traded for a place in
// the pairing, the first screen confirms, this one makes the passkey.

import { call, Offline, Problem } from './api.js';
import { deviceName } from './device-name.js';
import { create, supported } from './passkey.js';
import { notifications } from './push.js';
import { countdown, fill, grouped, once, poll, press, say, show, written } from './stage.js';

// Where a reload goes on. An id is no secret: only our session may use it.
const KEPT = 'mitome.pairing';
// What the desk's page leaves for us when both are this very browser.
const SAME = 'mitome.same';

const form = document.querySelector('#claim');
let secret = '';
let pairing = null;
let stopCounting = () => {};

/** The secret of a link or of a code as people type and paste it. */
export function secretOf(text) {
  const after = text.includes('#') ? text.slice(text.lastIndexOf('#') + 1) : text;
  return after.normalize('NFKC').replace(/[\s-‐-―ー]/g, '').toUpperCase();
}

/** Takes the secret out of the address bar and the history at once. */
function takeFragment() {
  const found = location.hash.slice(1);
  if (found === '') return false;
  history.replaceState(null, '', location.pathname);
  secret = secretOf(found);
  return true;
}

function over(why) {
  stopCounting();
  sessionStorage.removeItem(KEPT);
  pairing = null;
  secret = '';
  say('over', why);
  show('over');
}

function start() {
  say('form', '');
  document.querySelector('#code-field').hidden = secret !== '';
  form.elements.code.required = secret === '';
  show('start');
}

async function claim() {
  say('form', '');
  const given = secret || secretOf(form.elements.code.value);
  if (given === '') {
    say('form', 'code');
    form.elements.code.focus();
    return;
  }
  try {
    const body = { secret: given, device_name: form.elements.name.value.trim() };
    pairing = await call('POST', '/v1/pairings/claim', body);
  } catch (err) {
    refused(err);
    return;
  }
  secret = '';
  sessionStorage.setItem(KEPT, pairing.id);
  if (await confirmedHere()) return;
  await go(pairing);
}

/** What a refused claim means for the one who pressed the button. */
function refused(err) {
  if (err instanceof Offline) say('form', 'offline');
  else if (!(err instanceof Problem)) throw err;
  else if (err.type === 'invalid_name') {
    say('form', 'name');
    form.elements.name.focus();
  } else if (err.type === 'rate') say('form', 'rate');
  else if (err.type === 'pairing_not_found' || err.type === 'pairing_over') over('used');
  else if (err.type === 'invalid_request') over('used');
  else say('form', 'fault');
}

/**
 * When this same browser made the offer there is no second screen to compare
 * with: its desk session confirms. Nobody else's link gets past this, because the
 * desk session only knows the offers it made itself.
 */
async function confirmedHere() {
  if (sessionStorage.getItem(SAME) !== pairing.id) return false;
  sessionStorage.removeItem(SAME);
  try {
    await call('POST', `/v1/desk/pairings/${pairing.id}/confirm`, { match_code: pairing.match_code });
    pairing = await call('GET', `/v1/pairings/${pairing.id}`);
  } catch {
    return false; // the desk's page can still do it
  }
  await go(pairing);
  return true;
}

/** Shows where the pairing stands. */
async function go(p) {
  pairing = p;
  stopCounting();
  stopCounting = countdown(p.expires_at, () => {
    if (document.documentElement.dataset.at !== 'done') over('expired');
  });
  if (p.state === 'claimed') return compare(p);
  if (p.state === 'confirmed') return passkey();
  if (p.state === 'completed') return done();
  return over(p.state);
}

function compare(p) {
  fill('match', grouped(p.match_code));
  show('match');
  poll(async () => {
    if (pairing?.id !== p.id) return true;
    try {
      const next = await call('GET', `/v1/pairings/${p.id}`);
      say('match', '');
      if (next.state === 'claimed') return false;
      await go(next);
    } catch (err) {
      if (err instanceof Offline) {
        say('match', 'offline');
        return false;
      }
      if (err.status === 429 || err.status >= 500) return false;
      over('gone');
    }
    return true;
  });
}

function passkey() {
  say('passkey', '');
  show(supported() ? 'passkey' : 'unsupported');
}

async function makePasskey() {
  say('passkey', '');
  const { id } = pairing; // the time may run out while the dialogue is open
  let made;
  try {
    const { options } = await call('POST', `/v1/pairings/${id}/passkey/options`);
    made = await create(options);
  } catch (err) {
    return notMade(err);
  }
  try {
    const { device } = await call('POST', `/v1/pairings/${id}/passkey`, { credential: made });
    await done(device);
  } catch (err) {
    if (err instanceof Problem && err.type === 'passkey_failed') say('passkey', 'failed');
    else if (err instanceof Problem && err.type === 'attestation_failed') say('passkey', 'model');
    else notMade(err);
  }
}

/** Why there is no passkey: most often somebody closed the dialogue. */
function notMade(err) {
  if (err instanceof Offline) return say('passkey', 'offline');
  if (err instanceof Problem) {
    if (err.status === 410 || err.status === 404) return over('expired');
    if (err.type === 'too_many_devices') return over('full');
    return say('passkey', err.status === 429 ? 'rate' : 'fault');
  }
  if (err.name === 'NotSupportedError' || err.name === 'ConstraintError') return show('unsupported');
  if (err.name === 'SecurityError') return say('passkey', 'fault');
  return say('passkey', 'cancelled');
}

async function done(device) {
  stopCounting();
  sessionStorage.removeItem(KEPT);
  if (device === undefined || device.state === undefined) device = await mine(device);
  fill('device', device?.name ?? '');
  if (device?.state === 'cooling') {
    fill('active-at', written(device.active_at));
    show('cooling');
    return;
  }
  show('done');
  notifications();
}

/** This browser's device in the list of devices, which says whether it must wait. */
async function mine(device) {
  try {
    const { devices } = await call('GET', '/v1/devices');
    return devices.find((d) => (device ? d.id === device.id : d.this)) ?? device;
  } catch {
    return device;
  }
}

/** Goes on after a reload, if there is something to go on with. */
async function resume() {
  const id = sessionStorage.getItem(KEPT);
  if (id === null) return false;
  try {
    await go(await call('GET', `/v1/pairings/${encodeURIComponent(id)}`));
    return true;
  } catch {
    sessionStorage.removeItem(KEPT);
    return false;
  }
}

async function main() {
  const fresh = takeFragment();
  window.addEventListener('hashchange', () => {
    if (takeFragment()) start();
  });
  form.addEventListener('submit', (ev) => {
    ev.preventDefault();
    const button = form.querySelector('button');
    if (button.getAttribute('aria-disabled') !== 'true') once(button, claim);
  });
  press(document.querySelector('#make'), makePasskey);
  press(document.querySelector('#differ'), () => over('differ'));
  for (const b of document.querySelectorAll('[data-again]')) press(b, start);
  if (!supported()) return show('unsupported');
  if (form.elements.name.value === '') form.elements.name.value = await deviceName();
  if (fresh || !(await resume())) start();
}

main();
