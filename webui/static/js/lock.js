// To have everything stopped: one press, one question, the passkey.

import { call, Offline, Problem } from './api.js';
import { get } from './passkey.js';
import { once, say, written } from './stage.js';

const SAID = 'mitome.said';
const page = document.querySelector('[data-stage="list"]');

/** Says why it was refused. */
function refused(err) {
  if (err instanceof Offline) return say('lock', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401 || err.status === 404) return location.reload(); // removed from elsewhere: to /unlock
  if (err.type === 'device_cooling') return say('lock', 'cooling');
  if (err.status === 403 || err.status === 409) return say('lock', 'failed');
  return say('lock', err.status === 429 || err.status === 503 ? 'rate' : 'fault');
}

function asked() {
  const dialog = document.querySelector('#ask-lock');
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener('close', () => answer(dialog.returnValue === 'yes'), { once: true });
  });
}

/** Has the passkey sign that everything stops, and stops it. */
async function lock(section) {
  if (!(await asked())) return;
  const path = `/v1/devices/${encodeURIComponent(section.dataset.device)}/lock`;
  const { options } = await call('POST', `${path}/challenge`);
  let assertion;
  try {
    assertion = await get(options);
  } catch {
    say('lock', 'cancelled');
    return;
  }
  await call('POST', path, { assertion });
  sessionStorage.setItem(SAID, 'locked');
  location.reload();
}

page.addEventListener('click', async (ev) => {
  const button = ev.target.closest('[data-act="lock"]');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  say('lock', '');
  try {
    await once(button, () => lock(button.closest('[data-device]')));
  } catch (err) {
    refused(err);
  }
});

for (const t of document.querySelectorAll('time')) t.textContent = written(t.dateTime);
const said = sessionStorage.getItem(SAID);
sessionStorage.removeItem(SAID);
if (said) say('lock', said);
