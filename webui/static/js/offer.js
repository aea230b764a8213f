// The first screen of a pairing: it shows the code to scan, and says whether the
// phone that took it is the right one.

import { call, Offline, Problem } from './api.js';
import { countdown, fill, grouped, poll, press, say, show } from './stage.js';

// The offer this tab made, to go on after a reload. An id is no secret; the link
// is one, and is kept nowhere.
const KEPT = 'mitome.offer';
const SAME = 'mitome.same';

const page = document.querySelector('#offer');
const image = document.querySelector('#qr');
const link = document.querySelector('#here');
let offer = null;
let code = '';
let stopCounting = () => {};
let stopPolling = () => {};

function stop() {
  stopCounting();
  stopPolling();
}

/** Forgets the link: it is used, or of no use any more. */
function forgetLink() {
  image.removeAttribute('src');
  link.removeAttribute('href');
  fill('secret', '');
}

function over(why) {
  stop();
  forgetLink();
  sessionStorage.removeItem(KEPT);
  say('over', why);
  say('again', why === 'session' || why === 'refused' ? '' : 'yes');
  show('over');
}

/** A call that failed: what can be done about it? */
function failed(err) {
  if (err instanceof Offline) return say('offer', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401) return over('session');
  if (err.type === 'too_many_devices') return over('refused');
  if (err.status === 404 || err.status === 410) return over('expired');
  if (err.type === 'match_code_wrong') return over('differ');
  return say('offer', err.status === 429 ? 'rate' : 'fault');
}

/** Shows what belongs to one step of the list, and marks it for ears and eyes. */
function step(name) {
  for (const e of page.querySelectorAll('[data-only]')) e.hidden = !e.dataset.only.split(' ').includes(name);
  for (const e of page.querySelectorAll('[data-on]')) {
    if (e.dataset.on === name) e.setAttribute('aria-current', 'step');
    else e.removeAttribute('aria-current');
  }
}

/** Makes a new offer and shows it. */
async function make() {
  stop();
  say('offer', '');
  try {
    offer = await call('POST', '/v1/desk/pairings');
  } catch (err) {
    show('offer');
    step('none');
    return failed(err);
  }
  sessionStorage.setItem(KEPT, offer.id);
  // An image's address is not code, so this needs no trust; the drawing's own
  // scripts, if it had any, would not run in an image.
  image.src = `data:image/svg+xml,${encodeURIComponent(offer.svg)}`;
  link.href = offer.link;
  const secret = offer.link.slice(offer.link.indexOf('#') + 1);
  fill('secret', secret.match(/.{1,4}/g).join(' '));
  fill('address', offer.link.slice(offer.link.indexOf('://') + 3, offer.link.indexOf('#')));
  step('scan');
  show('offer');
  watch(offer.id);
}

function watch(id) {
  stop();
  let state = 'offered';
  if (offer) stopCounting = countdown(offer.expires_at, () => over('expired'));
  stopPolling = poll(async () => {
    let next;
    try {
      next = await call('GET', `/v1/desk/pairings/${encodeURIComponent(id)}`);
    } catch (err) {
      failed(err);
      return !(err instanceof Offline) && err.status !== 429 && err.status < 500;
    }
    say('offer', '');
    if (next.state === state) return false;
    state = next.state;
    return moved(next);
  });
}

/** Shows where the pairing stands now; true when there is nothing to wait for. */
function moved(p) {
  stopCounting();
  if (p.state === 'claimed' || p.state === 'confirmed') {
    forgetLink();
    code = p.match_code;
    fill('match', grouped(code));
    fill('device', p.device_name);
    step(p.state === 'claimed' ? 'match' : 'passkey');
    show('offer');
    if (p.state === 'claimed') document.querySelector('#compare').focus();
    stopCounting = countdown(p.expires_at, () => over('expired'));
    return false;
  }
  if (p.state === 'completed') {
    stop();
    sessionStorage.removeItem(KEPT);
    fill('device', p.device_name);
    show('done');
  } else over(p.state);
  return true;
}

async function confirm() {
  try {
    await call('POST', `/v1/desk/pairings/${kept()}/confirm`, { match_code: code });
    step('passkey');
    document.querySelector('#step-passkey').focus();
  } catch (err) {
    failed(err);
  }
}

async function cancel(why) {
  try {
    await call('POST', `/v1/desk/pairings/${kept()}/cancel`);
  } catch (err) {
    if (err instanceof Offline) return failed(err);
    // over already: then there is nothing to take back
  }
  over(why);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(link.href);
    say('copy', 'done');
  } catch {
    say('copy', 'failed');
  }
}

/** Ends the sign-in on this screen, which others may use after us. */
async function leave() {
  try {
    await call('DELETE', '/v1/desk');
  } catch (err) {
    if (err.status !== 401) return failed(err);
  }
  sessionStorage.removeItem(KEPT);
  location.assign('/signin');
}

function kept() {
  return encodeURIComponent(sessionStorage.getItem(KEPT));
}

/** After a reload: goes on with a pairing that a phone has taken; one whose link was lost is taken back. */
async function resume() {
  const id = sessionStorage.getItem(KEPT);
  if (id === null) return false;
  try {
    const p = await call('GET', `/v1/desk/pairings/${encodeURIComponent(id)}`);
    if (p.state === 'claimed' || p.state === 'confirmed') {
      watch(id);
      return true;
    }
    if (p.state === 'offered') await call('POST', `/v1/desk/pairings/${encodeURIComponent(id)}/cancel`);
  } catch {
    // a new one, then
  }
  sessionStorage.removeItem(KEPT);
  return false;
}

press(document.querySelector('#same'), confirm);
press(document.querySelector('#differ'), () => cancel('differ'));
press(document.querySelector('#copy'), copy);
for (const b of document.querySelectorAll('[data-again]')) press(b, make);
for (const b of document.querySelectorAll('[data-leave]')) press(b, leave);
link.addEventListener('click', () => {
  sessionStorage.setItem(SAME, offer.id);
  stop();
});
// Back from the page of the same device: this one may come out of the cache as
// it was left, with a link that is used up.
window.addEventListener('pageshow', (ev) => {
  if (ev.persisted) location.reload();
});
resume().then((going) => going || make());
