// My devices: names, what is new, what is lost.
//
// After each act the list is read again from the server, because only that knows
// what another device did meanwhile; what came of the act is said after it.

import { call, Offline, Problem } from './api.js';
import { live, serial } from './live.js';
import { get } from './passkey.js';
import { silence } from './push.js';
import { fill, once, say, show, written } from './stage.js';

const SAID = 'mitome.said';
const page = document.querySelector('[data-stage="list"]');

/** Reads the list again and says there what came of the act. */
function again(what) {
  sessionStorage.setItem(SAID, what);
  location.reload();
}

function gone(why) {
  say('gone', why);
  show('gone');
  document.querySelector('nav')?.remove();
}

/** Says why an act was refused. */
function refused(err) {
  if (err instanceof Offline) return say('devices', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401) return location.reload(); // removed from elsewhere: to /unlock
  if (err.type === 'invalid_name') return say('devices', 'name');
  if (err.type === 'passkey_failed' || err.type === 'gesture_missing') return say('devices', 'failed');
  if (err.type === 'device_cooling') return say('devices', 'cooling');
  if (err.status === 403 || err.status === 404 || err.status === 409) return again('changed');
  return say('devices', err.status === 429 ? 'rate' : 'fault');
}

/** Asks in a dialogue; true if the answer is yes. */
function ask(id, name = '') {
  const dialog = document.querySelector(id);
  fill('asked', name);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener('close', () => answer(dialog.returnValue === 'yes'), { once: true });
  });
}

function pathOf(button) {
  return `/v1/devices/${encodeURIComponent(button.closest('[data-device]').dataset.device)}`;
}

function nameOf(button) {
  return button.closest('[data-device]').querySelector('[data-name]')?.textContent ?? '';
}

function toggle(item, open) {
  const form = item.querySelector('form.rename');
  const opener = item.querySelector('[data-act="rename"]');
  form.hidden = !open;
  opener.setAttribute('aria-expanded', String(open));
  if (open) form.elements.name.select();
  else {
    form.reset();
    opener.focus();
  }
}

const acts = {
  async confirm(button) {
    await call('POST', `${pathOf(button)}/confirm`);
    again('confirmed');
  },

  async cancel(button) {
    await call('DELETE', pathOf(button));
    again('removed');
  },

  rename(button) {
    const item = button.closest('li');
    toggle(item, item.querySelector('form.rename').hidden);
  },

  back(button) {
    toggle(button.closest('li'), false);
  },

  async remove(button) {
    if (!(await ask('#ask-remove', nameOf(button)))) return;
    await call('DELETE', pathOf(button));
    // One browser may stand for a device at several OPs.
    if (document.querySelectorAll('[data-this]').length > 1) return again('removed');
    await silence().catch(() => {});
    gone('removed');
  },

  async lost(button) {
    if (!(await ask('#ask-lost', nameOf(button)))) return;
    const { options } = await call('POST', `${pathOf(button)}/lost/challenge`);
    let assertion;
    try {
      assertion = await get(options);
    } catch {
      say('devices', 'cancelled');
      return;
    }
    await call('POST', `${pathOf(button)}/lost`, { assertion });
    again('removed');
  },

  async signout() {
    if (!(await ask('#ask-signout'))) return;
    await call('DELETE', '/v1/session');
    await silence().catch(() => {}); // if it fails, what comes shows no more than it did
    gone('signedout');
  },
};

async function run(button, act) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  say('devices', '');
  try {
    await once(button, act);
  } catch (err) {
    refused(err);
  }
}

page.addEventListener('click', (ev) => {
  const button = ev.target.closest('[data-act]');
  if (button) run(button, () => acts[button.dataset.act](button));
});

page.addEventListener('submit', (ev) => {
  ev.preventDefault();
  const form = ev.target;
  run(ev.submitter ?? form.querySelector('[type="submit"]'), async () => {
    await call('PATCH', pathOf(form), { name: form.elements.name.value.trim() });
    again('renamed');
  });
});

page.addEventListener('keydown', (ev) => {
  if (ev.key === 'Escape' && ev.target.closest('form.rename')) toggle(ev.target.closest('li'), false);
});

/** What the page shows, and what there is, in one line each. */
function shown() {
  return [...page.querySelectorAll('li[data-device]')]
    .map((li) => `${li.dataset.device} ${li.dataset.state} ${li.querySelector('[data-name]').textContent}`)
    .sort().join('\n');
}

function standing(devices) {
  return devices.map((d) => `${d.id} ${d.state} ${d.name}`).sort().join('\n');
}

/** Reads the page again when a device came, went or was renamed, unless somebody is in the middle of something here. */
const refresh = serial(async () => {
  if (page.hidden || document.querySelector('dialog[open], form.rename:not([hidden]), [aria-disabled="true"]')) return;
  try {
    const { devices } = await call('GET', '/v1/devices');
    if (standing(devices) !== shown()) location.reload();
  } catch (err) {
    if (err.status === 401) location.reload();
  }
});

const out = document.querySelector('#signout');
out.addEventListener('click', () => run(out, acts.signout));
for (const t of document.querySelectorAll('time')) t.textContent = written(t.dateTime);
const said = sessionStorage.getItem(SAID);
sessionStorage.removeItem(SAID);
if (said) {
  say('devices', said);
  page.querySelector('[data-say] > :not([hidden])')?.scrollIntoView({ block: 'nearest' });
}
live(refresh);
