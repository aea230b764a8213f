// The kiosk's page: something is chosen, a code is shown, and the phone answers.

import { announce, call, fill, once, only, word } from './dom.js';

const form = document.querySelector('#order');
const code = document.querySelector('#code');
const picture = document.querySelector('#picture');
const fault = document.querySelector('#fault');
const go = document.querySelector('#go');

/** What is chosen. */
function item() {
  return new FormData(form).get('item');
}

/** Shows a stage, and moves the focus there. */
function stage(name) {
  only('stage', name);
  scrollTo(0, 0);
  document.querySelector(`[data-stage="${name}"] [data-focus]`)?.focus({ preventScroll: true });
  announce(word(`spoken.${name}`));
}

/** Takes back what was said of the last code. */
function forgive() {
  fault.hidden = true;
  code.removeAttribute('aria-invalid');
  picture.removeAttribute('aria-invalid');
}

/** Says why there is no order, beside the field that it came from. */
function refuse(why) {
  const field = picture.files.length > 0 ? picture : code;
  const known = [...document.querySelectorAll('[data-why]')].some((e) => e.dataset.why === why);
  only('why', known ? why : 'other');
  fault.hidden = false;
  field.setAttribute('aria-invalid', 'true');
  picture.value = ''; // else the same file could not be chosen again
  announce(document.querySelector('[data-why]:not([hidden])').textContent);
  field.focus();
}

async function order() {
  forgive();
  if (picture.files[0]?.size > Number(picture.dataset.largest)) {
    refuse('picture_large');
    return;
  }
  announce(word('spoken.reading'));
  let made;
  try {
    made = await call('POST', '/orders', new FormData(form));
  } catch (err) {
    refuse(err.code);
    return;
  }
  fill('says', made.says);
  only('item', item());
  stage('pending');
  try {
    stage((await call('GET', `/orders/${made.id}/end`)).state);
  } catch {
    stage('failed'); // it may have been paid: only the phone knows
  }
}

/** Makes the kiosk ready for whoever comes next. */
function again() {
  form.reset();
  forgive();
  chosen();
  stage('order');
}

/** The button says what is paid. */
function chosen() {
  only('go', item());
}

form.addEventListener('submit', (ev) => {
  ev.preventDefault();
  once(go, order);
});
form.addEventListener('change', chosen);
// Of two codes nobody knew which one counts: the later one takes the place of the other.
code.addEventListener('input', () => { picture.value = ''; });
picture.addEventListener('change', () => { if (picture.files.length > 0) code.value = ''; });
for (const b of document.querySelectorAll('[data-again]')) b.addEventListener('click', again);
chosen(); // a browser may have kept what was chosen before a reload
