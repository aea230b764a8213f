// The user's own code: to set it, to change it, to take it away.
//
// The field has no name and its form goes nowhere, so that no browser ever puts
// what stands in it into an address.

import { call, Offline, Problem } from './api.js';
import { get } from './passkey.js';
import { once, say, written } from './stage.js';

const SAID = 'mitome.said';
const page = document.querySelector('[data-stage="list"]');

/** Reads the page again and says there what came of it. */
function again(what) {
  sessionStorage.setItem(SAID, what);
  location.reload();
}

/** Says why it was refused. */
function refused(err, field) {
  if (err instanceof Offline) return say('codeword', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401 || err.status === 404) return location.reload(); // removed from elsewhere: to /unlock
  if (err.type === 'weak_user_code') {
    say('codeword', 'weak');
    return field.focus();
  }
  if (err.type === 'device_cooling') return say('codeword', 'cooling');
  if (err.status === 403 || err.status === 409) return say('codeword', 'failed');
  return say('codeword', err.status === 429 || err.status === 503 ? 'rate' : 'fault');
}

/** Has the passkey sign for the change, and makes it; false if she did not confirm. */
async function change(section, body) {
  const path = `/v1/devices/${encodeURIComponent(section.dataset.device)}/user-code`;
  const { options } = await call('POST', `${path}/challenge`, body);
  let assertion;
  try {
    assertion = await get(options);
  } catch {
    say('codeword', 'cancelled');
    return false;
  }
  await call('POST', path, { ...body, assertion });
  return true;
}

function asked() {
  const dialog = document.querySelector('#ask-clear');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener('close', () => answer(dialog.returnValue === 'yes'), { once: true });
  });
}

async function run(button, act) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  say('codeword', '');
  const section = button.closest('[data-device]');
  const field = section.querySelector('input');
  try {
    await once(button, () => act(section, field));
  } catch (err) {
    refused(err, field);
  }
}

const acts = {
  reveal(button) {
    const field = button.closest('[data-device]').querySelector('input');
    const shown = field.type === 'password';
    field.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
  },

  clear(button) {
    return run(button, async (section) => {
      if ((await asked()) && (await change(section, {}))) again('removed');
    });
  },
};

page.addEventListener('click', (ev) => {
  const button = ev.target.closest('[data-act]');
  if (button) acts[button.dataset.act](button);
});

page.addEventListener('submit', (ev) => {
  ev.preventDefault();
  run(ev.target.querySelector('[type="submit"]'), async (section, field) => {
    const code = field.value.trim();
    if (code === '') { // which would take the code away
      say('codeword', 'weak');
      return field.focus();
    }
    if (await change(section, { user_code: code })) again('saved');
  });
});

for (const t of document.querySelectorAll('time')) t.textContent = written(t.dateTime);
const said = sessionStorage.getItem(SAID);
sessionStorage.removeItem(SAID);
if (said) say('codeword', said);
