// Quiet hours: to set them, and to take them away. The time zone is the browser's.

import { call, Offline, Problem } from './api.js';
import { once, say } from './stage.js';

const SAID = 'mitome.said';
const page = document.querySelector('[data-stage="list"]');
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Reads the page again and says there what came of it. */
function again(what) {
  sessionStorage.setItem(SAID, what);
  location.reload();
}

/** Says why it was refused. */
function refused(err) {
  if (err instanceof Offline) return say('quiet', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 401 || err.status === 404) return location.reload(); // removed from elsewhere: to /unlock
  if (err.type === 'invalid_quiet_hours') return say('quiet', 'times');
  if (err.type === 'device_cooling') return say('quiet', 'cooling');
  return say('quiet', err.status === 429 ? 'rate' : 'fault');
}

async function change(button, body, what) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  say('quiet', '');
  const id = encodeURIComponent(button.closest('[data-device]').dataset.device);
  try {
    await once(button, () => call('POST', `/v1/devices/${id}/quiet-hours`, body));
  } catch (err) {
    refused(err);
    return;
  }
  again(what);
}

page.addEventListener('submit', (ev) => {
  ev.preventDefault();
  const { from, to } = ev.target.elements;
  change(ev.target.querySelector('[type="submit"]'), { zone, from: from.value, to: to.value }, 'saved');
});

page.addEventListener('click', (ev) => {
  const button = ev.target.closest('[data-act="clear"]');
  if (button) change(button, {}, 'removed');
});

for (const el of document.querySelectorAll('[data-zone]')) el.textContent = zone;
const said = sessionStorage.getItem(SAID);
sessionStorage.removeItem(SAID);
if (said) say('quiet', said);
