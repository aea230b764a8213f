// What the pages share: its words, its stages, its calls.

/** The word under a key that scripts choose; every word stands in the page. */
export function word(key) {
  return [...document.querySelectorAll('#words [data-word]')].find((e) => e.dataset.word === key)?.textContent ?? '';
}

/** Puts text wherever data-text names it. */
export function fill(name, text) {
  for (const e of document.querySelectorAll(`[data-text="${name}"]`)) e.textContent = text;
}

/** Of the elements that carry data-<kind>, shows the one that is called name. */
export function only(kind, name) {
  for (const e of document.querySelectorAll(`[data-${kind}]`)) e.hidden = e.dataset[kind] !== name;
}

/** Tells screen readers. */
export function announce(text) {
  document.querySelector('#polite').textContent = text;
}

/** Makes an element with text in it. */
export function make(tag, text, className = '') {
  const e = document.createElement(tag);
  e.textContent = text;
  if (className) e.className = className;
  return e;
}

/** What was refused; code is the word for it. */
export class Refused extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Makes a call to the page's own server; a form is sent as it is. */
export async function call(method, path, body) {
  const init = { method, headers: { 'Accept-Language': document.documentElement.lang } };
  if (body instanceof FormData) {
    init.body = body;
  } else if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  let answer = {};
  try {
    response = await fetch(path, init);
    const text = await response.text();
    if (text !== '') answer = JSON.parse(text);
  } catch {
    throw new Refused('demo_stopped');
  }
  if (!response.ok) throw new Refused(answer.error ?? 'fault');
  return answer;
}

/** Runs act when the button is pressed, once at a time. */
export function press(button, act) {
  button.addEventListener('click', () => once(button, act));
}

/** Runs act while the button says that it is busy. */
export async function once(button, act) {
  if (button.getAttribute('aria-disabled') === 'true') return;
  button.setAttribute('aria-disabled', 'true'); // not disabled: that would throw the focus away
  try {
    await act();
  } finally {
    button.removeAttribute('aria-disabled');
  }
}
