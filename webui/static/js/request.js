// One request: the time that is left, the answer, and what becomes of it while
// the page is open. The page is the server's; nothing on it is written here but
// numbers and the name of a device.

import { call, now, Offline, Problem, rendered } from './api.js';
import { live, serial } from './live.js';
import { get, supported } from './passkey.js';
import { answered } from './push.js';
import { fill, say, show } from './stage.js';
import { clock, everySecond } from './time.js';

const page = document.getElementById('request');
const path = `/v1/requests/${page.dataset.id}`;
const approve = document.getElementById('approve'); // not there if this can only be denied
const deny = document.getElementById('deny');
const notMe = document.getElementById('not-me');
const sure = document.getElementById('sure');
const field = document.getElementById('code');
const left = document.getElementById('left');

let over = false; // the question is answered, by whomever
let approving = null; // what stops the approval under way
let sending = false; // an answer is on its way
let pausing = 'pause' in page.dataset; // what is shown is to be read first
let locked = 0; // until when no code is taken, in ms

rendered(page.dataset.now);

/** Shows how it ended; there is no way back from there. */
function end(stage, device = '') {
  if (over) return;
  over = true;
  approving?.abort();
  stopClock();
  if (sure.open) sure.close();
  left.hidden = true;
  fill('device', device);
  show(stage);
  window.scrollTo(0, 0);
  answered(page.dataset.id);
}

function tell(what) {
  say('request', what);
  document.querySelector(`#said [data-when="${what}"]`)?.scrollIntoView({ block: 'nearest' });
}

function mark(button, on) {
  if (on) button.setAttribute('aria-disabled', 'true');
  else button.removeAttribute('aria-disabled');
  button.classList.toggle('busy', on);
}

async function hashed(text) {
  const sum = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('');
}

// ——— the answers

async function onApprove() {
  if (over || approving || sending || now() < locked) return; // pressed twice is pressed once
  if (pausing) return tell('pause');
  if (!supported()) return tell('unsupported');
  const code = field?.value.trim();
  if (field && code === '') {
    tell('missing');
    return field.focus();
  }
  tell('');
  field?.removeAttribute('aria-invalid');
  approving = new AbortController();
  mark(approve, true);
  try {
    await sign(code, approving.signal);
  } catch (err) {
    refused(err);
  } finally {
    approving = null;
    sending = false;
    if (now() >= locked) mark(approve, false);
    approve.classList.remove('busy');
  }
}

/** Has the passkey sign what the page shows, and nothing else. */
async function sign(code, signal) {
  const challenge = await call('POST', `${path}/challenge`, undefined, signal);
  if ((await hashed(challenge.view)) !== page.dataset.view) {
    tell('changed');
    location.reload();
    return;
  }
  const assertion = await get(challenge.options, { signal });
  if (over || signal.aborted) return;
  sending = true;
  const answer = { verdict: 'approve', assertion };
  if (code) answer.user_code = code;
  const { state } = await call('POST', `${path}/decision`, answer);
  end(state === 'approved' ? 'approved' : 'denied');
}

/**
 * Has the passkey say that it is the user who did not start this; undefined if it
 * does not, for whatever reason: she denies all the same, and nothing follows.
 */
async function disowned() {
  if (!supported()) return undefined;
  try {
    const { options } = await call('POST', `${path}/not-me/challenge`);
    return await get(options);
  } catch {
    return undefined;
  }
}

async function onDeny(started) {
  if (over || sending) return;
  approving?.abort();
  tell('');
  sending = true;
  mark(started ? deny : notMe, true);
  try {
    const answer = { verdict: 'deny' };
    if (!started) {
      answer.not_me = true;
      answer.assertion = await disowned();
    }
    const { frozen_until: frozen } = await call('POST', `${path}/decision`, answer);
    if (started) end('denied');
    else end(frozen ? 'not_me' : 'not_me_only');
  } catch (err) {
    refused(err);
  } finally {
    sending = false;
    mark(deny, false);
    mark(notMe, false);
  }
}

/** What went wrong, in words that help; or how the request ended instead. */
function refused(err) {
  if (over || err.name === 'AbortError') return;
  if (err instanceof Offline) return tell('offline');
  if (!(err instanceof Problem)) {
    // The browser does not say which it was: closed by the user, timed out, or no
    // such passkey here.
    tell(err.name === 'NotAllowedError' ? 'cancelled' : 'fault');
    return;
  }
  const act = refusals[err.type];
  if (act) return act(err);
  if (err.status === 401) return end('signed_out');
  tell(err.status === 429 || err.status === 503 ? 'busy' : 'fault');
}

const refusals = {
  user_code_wrong: (err) => {
    fill('tries', String(err.triesLeft ?? ''));
    tell('wrong');
    field.setAttribute('aria-invalid', 'true');
    field.select();
    field.focus();
  },
  user_code_missing: () => tell('missing'),
  user_code_locked: () => end('locked'),
  user_code_wait: (err) => {
    locked = now() + (err.retryAfter ?? 30) * 1000;
    approve.setAttribute('aria-disabled', 'true');
    tick();
    tell('wait');
  },
  acr_unmet: () => end('weak'),
  passkey_failed: () => tell('passkey_failed'),
  challenge_missing: () => tell('again'),
  approval_too_soon: () => tell('again'),
  request_changed: () => tell('again'),
  request_expired: () => end('expired'),
  request_settled: () => reread(),
  request_not_found: () => end('gone'),
  no_device: () => end('gone'),
  too_far: () => location.reload(), // one of the two is elsewhere now
  details_unknown: () => location.reload(), // the rule is newer than the page
  passkey_synced: () => location.reload(),
  passkey_unattested: () => location.reload(),
  missing_user_code: () => location.reload(),
  invalid_scope: () => location.reload(),
  invalid_binding_message: () => location.reload(),
  cross_site: () => location.reload(),
};

// ——— the pause

/** Lets her approve, once she has had the page before her for as long as the server says. */
function pause() {
  if (document.hidden) return;
  document.removeEventListener('visibilitychange', pause);
  setTimeout(() => {
    pausing = false;
    if (over) return;
    if (now() >= locked) mark(approve, false);
    approve.removeAttribute('aria-describedby');
    tell('');
    document.getElementById('polite').textContent = document.getElementById('ready').textContent;
  }, Number(page.dataset.pause));
}

if (pausing && approve) {
  document.addEventListener('visibilitychange', pause);
  pause();
}

// ——— the truth

/** Asks where the request stands, and shows it if it is over. */
const reread = serial(async () => {
  if (over) return;
  let r;
  try {
    r = await call('GET', path);
  } catch (err) {
    if (err instanceof Problem && err.status === 401) end('signed_out');
    else if (err instanceof Problem && err.status === 404) end('gone');
    return;
  }
  // An answer of our own that is on its way will say itself what came of it.
  if (r.state === 'pending' || (sending && !document.hidden)) return;
  ended(r);
});

/** A denial that is no other device's, in the server's own order: stageOf. */
function denial(decision) {
  if (decision?.reason === 'user_code_exhausted') return 'locked';
  if (decision?.reason === 'user_locked') return 'stopped';
  if (decision?.reason !== 'not_started_by_user') return 'denied';
  return decision.this && !decision.frozen_until ? 'not_me_only' : 'not_me';
}

function ended({ state, decision }) {
  const device = decision?.device_name ?? '';
  // Not by its name: two phones of one make are called the same.
  const elsewhere = device !== '' && !decision.this;
  if (state === 'approved') return end(elsewhere ? 'approved_elsewhere' : 'approved', device);
  if (state === 'denied') return end(elsewhere ? 'denied_elsewhere' : denial(decision), device);
  end(state === 'withdrawn' ? 'withdrawn' : 'expired');
}

// ——— the clock

const until = Date.parse(page.dataset.until);
const whole = until - Date.parse(page.dataset.asked);
const ring = left.querySelector('.ring');
const marks = [...page.querySelectorAll('[data-announce]')];

function tick() {
  const ms = until - now();
  fill('left', clock(ms));
  ring.style.setProperty('--left', String(Math.min(1, Math.max(0, ms / whole))));
  left.classList.toggle('soon', ms < 30_000);
  announce(ms / 1000);
  if (locked > 0) {
    fill('wait', clock(locked - now()));
    if (now() >= locked) {
      locked = 0;
      tell('');
      mark(approve, false);
    }
  }
  if (ms <= 0) reread();
}

/** Says the time twice and not each second, which would drown the page. */
function announce(seconds) {
  for (const m of marks) {
    const at = Number(m.dataset.announce);
    if (m.dataset.said || seconds > at) continue;
    m.dataset.said = 'yes';
    if (seconds > at - 5) document.getElementById('polite').textContent = m.textContent;
  }
}

const stopClock = everySecond(tick);
approve?.addEventListener('click', onApprove);
deny.addEventListener('click', () => onDeny(true));
notMe.addEventListener('click', () => sure.showModal());
document.getElementById('sure-no').addEventListener('click', () => sure.close());
document.getElementById('sure-yes').addEventListener('click', () => {
  sure.close();
  onDeny(false);
});
field?.addEventListener('keydown', (ev) => {
  if (ev.key === 'Enter' && !ev.isComposing) onApprove();
});
live(reread, (frame) => frame.key === page.dataset.id);
