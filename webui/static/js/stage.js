// Pages that go through stages: one <section data-stage> is to be seen at a
// time, and all words stand in the page already.

import { now } from './api.js';

/** Shows one stage, tells it to screen readers, and puts the focus there. */
export function show(name) {
  let shown;
  for (const s of document.querySelectorAll('[data-stage]')) {
    s.hidden = s.dataset.stage !== name;
    if (!s.hidden) shown = s;
  }
  document.documentElement.dataset.at = name;
  const headings = [...(shown?.querySelectorAll('h1, h2') ?? [])];
  const focus = shown?.querySelector('[data-focus]') ?? headings.find((h) => !h.closest('[hidden]'));
  if (!focus) return;
  if (focus.matches('h1, h2')) focus.tabIndex = -1; // not a stop for Tab
  focus.focus({ preventScroll: focus.matches('h1, h2') });
}

/** Shows the one message of a group (data-say="group") that is called name, and none if there is no such. */
export function say(group, name) {
  for (const m of document.querySelectorAll(`[data-say="${group}"] > [data-when]`)) {
    m.hidden = !m.dataset.when.split(' ').includes(name);
  }
}

/** Puts text wherever data-text names it. */
export function fill(name, text) {
  for (const e of document.querySelectorAll(`[data-text="${name}"]`)) e.textContent = text;
}

/** A time as the language of the page writes it. */
export function written(time) {
  const style = { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(document.documentElement.lang, style).format(new Date(time));
}

/** Six digits as people read them out. */
export function grouped(code) {
  return /^\d{6}$/.test(code) ? `${code.slice(0, 3)} ${code.slice(3)}` : code;
}

/**
 * Counts down to a time into data-text="left", each second, and calls over once
 * when it is there. Returns what stops it.
 */
export function countdown(until, over) {
  const end = Date.parse(until);
  let timer = 0;
  const tick = () => {
    const left = Math.max(0, Math.floor((end - now()) / 1000));
    fill('left', `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`);
    if (left > 0) return;
    clearInterval(timer);
    over();
  };
  timer = setInterval(tick, 1000);
  tick();
  return () => clearInterval(timer);
}

/**
 * Calls step each second while the page is to be seen, and at once when it comes
 * back into view, until step returns true. A page in the background asks nothing:
 * dozens of forgotten tabs would ask for ever.
 */
export function poll(step) {
  let stopped = false;
  let timer = 0;
  let busy = false;
  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', run);
    window.removeEventListener('online', run);
  };
  const run = async () => {
    if (stopped || busy || document.hidden) return;
    clearTimeout(timer);
    busy = true;
    const done = await step();
    busy = false;
    if (done) stop();
    else if (!stopped) timer = setTimeout(run, 1000);
  };
  document.addEventListener('visibilitychange', run);
  window.addEventListener('online', run);
  run();
  return stop;
}

/** Runs act when the button is pressed, once at a time: pressed twice is pressed once. */
export function press(button, act) {
  button?.addEventListener('click', async (ev) => {
    if (ev.currentTarget.getAttribute('aria-disabled') === 'true') return;
    await once(button, act);
  });
}

/** Runs act while the button says that it is busy. */
export async function once(button, act) {
  // Not the attribute "disabled": it would throw the focus away.
  button.setAttribute('aria-disabled', 'true');
  try {
    await act();
  } finally {
    button.removeAttribute('aria-disabled');
  }
}
