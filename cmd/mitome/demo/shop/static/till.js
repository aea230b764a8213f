// Ordering: what the till shows until the answer is there, and the receipt.

import { announce, call, fill, make, once, only, word } from './dom.js';
import * as wire from './wire.js';

const KEPT = 'shop.order'; // the order that the page shows
const form = document.querySelector('#order');
const go = document.querySelector('#go');
const lang = document.documentElement.lang;

// The claims that people should see first, in this order.
const first = ['sub', 'acr', 'amr', 'auth_time', 'urn:openid:params:jwt:claim:auth_req_id', 'iss', 'aud', 'iat', 'exp'];
const times = ['auth_time', 'iat', 'exp'];

let counting = 0;
let current = '';

/** Shows a stage of the till, and moves the focus there. */
function stage(name, focus = true) {
  only('stage', name);
  document.querySelector('#till').dataset.at = name;
  if (focus) document.querySelector(`[data-stage="${name}"] [data-focus]`)?.focus({ preventScroll: true });
}

function countdown(seconds) {
  clearInterval(counting);
  const end = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.max(0, Math.round((end - Date.now()) / 1000));
    fill('left', `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`);
  };
  counting = setInterval(tick, 1000);
  tick();
}

/** Shows an order that is waited for. */
function pending(order, focus = true) {
  current = order.id;
  sessionStorage.setItem(KEPT, order.id);
  only('case', order.case);
  fill('says', order.says);
  fill('code', order.code ? `${order.code.slice(0, 3)} ${order.code.slice(3)}` : '');
  document.querySelector('#coded').hidden = !order.code;
  countdown(order.left);
  stage('pending', focus);
  announce(order.code ? `${word('spoken.pending')} ${word('spoken.code')} ${[...order.code].join(' ')}` : word('spoken.pending'));
}

/** Writes a claim's value as people read it. */
function written(name, value) {
  if (times.includes(name) && typeof value === 'number') {
    return new Intl.DateTimeFormat(lang, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(value * 1000));
  }
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function receipt(claims) {
  const names = Object.keys(claims);
  const order = [...first.filter((n) => names.includes(n)), ...names.filter((n) => !first.includes(n))];
  document.querySelector('#claims').replaceChildren(...order.map((name) => {
    const row = document.createElement('div');
    const dt = make('dt', name);
    const note = word(`claim.${name}`);
    if (note) dt.append(' ', make('span', note, 'note'));
    row.append(dt, make('dd', written(name, claims[name])));
    return row;
  }));
}

/** Shows how an order ended. */
function ended(order) {
  if (order.id !== current) return; // another one was begun meanwhile
  clearInterval(counting);
  if (order.state === 'approved') receipt(order.claims);
  if (order.state === 'failed') failed(order.error, false);
  stage(order.state);
  announce(word(`spoken.${order.state}`));
}

function failed(code, shown = true) {
  clearInterval(counting);
  for (const e of document.querySelectorAll('[data-why]')) {
    e.hidden = (e.dataset.why === 'unknown_user_id') !== (code === 'unknown_user_id');
  }
  fill('error', code);
  if (!shown) return;
  stage('failed');
  announce(word('spoken.failed'));
}

async function wait(order) {
  try {
    ended(await call('GET', `/orders/${order.id}/end`));
  } catch (err) {
    if (order.id === current) failed(err.code);
  }
}

async function ask() {
  const chosen = new FormData(form);
  current = '';
  sessionStorage.removeItem(KEPT);
  wire.clear();
  stage('asking');
  try {
    const order = await call('POST', '/orders', { case: chosen.get('case'), mode: chosen.get('mode') });
    pending(order);
    wait(order);
  } catch (err) {
    failed(err.code);
  }
  document.querySelector('#till').scrollIntoView({ block: 'nearest' });
}

/** Words that go with the case that is chosen. */
function chosen() {
  only('go', new FormData(form).get('case'));
}

/** Goes on with the order that the page showed before it was loaded again. */
async function resume() {
  const id = sessionStorage.getItem(KEPT);
  if (id === null) return undefined;
  try {
    const order = await call('GET', `/orders/${encodeURIComponent(id)}`);
    form.elements.case.value = order.case;
    form.elements.mode.value = order.mode;
    pending(order, false);
    wait(order);
    return order.after;
  } catch {
    sessionStorage.removeItem(KEPT);
    return undefined;
  }
}

/** Makes the till ready; returns from where on messages belong to its order, if it has one. */
export async function till() {
  form.addEventListener('submit', (ev) => {
    ev.preventDefault();
    once(go, ask);
  });
  form.addEventListener('change', chosen);
  const after = await resume();
  chosen();
  return after;
}
