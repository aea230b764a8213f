// What waits, kept true while the page is open.

import { call, now, Problem, rendered } from './api.js';
import { live, serial } from './live.js';
import { notifications } from './push.js';
import { clock, everySecond, moment } from './time.js';

const page = document.getElementById('home');
const waiting = document.getElementById('waiting');
const decisions = document.getElementById('decisions');
const title = document.title;

rendered(page.dataset.now);

function put(element, name, text) {
  element.querySelector(`[data-field="${name}"]`).textContent = text;
}

function card(r) {
  const item = document.getElementById('card').content.cloneNode(true).firstElementChild;
  const view = JSON.parse(r.view);
  const link = item.querySelector('a');
  link.href = `/requests/${r.id}`;
  Object.assign(link.dataset, { id: r.id, kind: view.kind, until: r.expires_at });
  put(item, 'client', view.client.label);
  put(item, 'title', view.headline ?? view.title);
  put(item, 'message', view.binding_message ?? '');
  item.querySelector('.card-said').hidden = !view.binding_message;
  return item;
}

/** Brings what is new and takes away what is over, and leaves the rest in place: somebody may be about to press it. */
function showWaiting(requests) {
  const here = new Map([...waiting.children].map((li) => [li.firstElementChild.dataset.id, li]));
  let came = false;
  for (const r of requests) {
    if (here.delete(r.id)) continue;
    waiting.append(card(r));
    came = true;
  }
  for (const li of here.values()) li.remove();
  count();
  tick();
  if (came) document.getElementById('polite').textContent = document.getElementById('came').textContent;
}

function count() {
  const n = waiting.children.length;
  waiting.hidden = n === 0;
  document.getElementById('nothing').hidden = n > 0;
  document.title = n > 0 ? `(${n}) ${title}` : title;
}

function past(p) {
  const item = document.getElementById('decision').content.cloneNode(true).firstElementChild;
  put(item, 'client', p.client_name);
  const at = item.querySelector('time');
  at.dateTime = p.at;
  put(item, 'device', p.device_name ?? '');
  item.querySelector('[data-field="device-part"]').hidden = !p.device_name;
  for (const v of item.querySelectorAll('[data-verdict]')) v.hidden = v.dataset.verdict !== p.state;
  return item;
}

function showPast(requests) {
  decisions.replaceChildren(...requests.map(past));
  document.getElementById('past').hidden = requests.length === 0;
  writeMoments();
}

function writeMoments() {
  for (const t of document.querySelectorAll('time[data-moment]')) t.textContent = moment(t.dateTime);
}

function tick() {
  for (const link of waiting.querySelectorAll('a[data-until]')) {
    const ms = Date.parse(link.dataset.until) - now();
    put(link, 'left', clock(ms));
    if (ms <= 0) reread();
  }
}

const reread = serial(async () => {
  try {
    const { requests } = await call('GET', '/v1/requests');
    showWaiting(requests);
    showPast((await call('GET', '/v1/history')).requests);
  } catch (err) {
    if (err instanceof Problem && (err.status === 401 || err.status === 403)) location.replace('/');
  }
});

count();
writeMoments();
everySecond(tick);
// What a device may do is the server's to say, so the page is made anew.
live((frame) => (frame?.type === 'device' ? location.reload() : reread()), () => true);
notifications();
