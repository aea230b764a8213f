// Draws each message as it passes: an arrow from one party to another, which can
// be opened for what is in it.

import { make, word } from './dom.js';

const parties = ['shop', 'op', 'mitome', 'phone'];
const list = document.querySelector('#messages');
const nothing = document.querySelector('#nothing');
const fault = document.querySelector('#wire-fault');

/** Forgets what was drawn, for a new order. */
export function clear() {
  list.replaceChildren();
  nothing.hidden = false;
}

/** A title as it is shown: an answer's with the code that it refuses by. */
function titled(message) {
  const refused = message.lines?.find((l) => l.startsWith('error: '));
  return refused ? `${message.title} · ${refused.slice('error: '.length)}` : message.title;
}

/** What is to be seen of a message while it is closed. */
function summarize(message) {
  const from = parties.indexOf(message.from);
  const to = parties.indexOf(message.to);
  const at = Math.min(from, to);
  const lanes = make('span', '', 'lane-lines');
  const way = from < to ? 'right' : 'left';
  const answer = /^\d{3} /.test(message.title) ? 'answer' : '';
  const arrow = make('span', '', `arrow ${way} at-${at} over-${Math.abs(from - to)} ${answer}`);
  for (const drawn of [lanes, arrow]) drawn.setAttribute('aria-hidden', 'true');
  const label = make('span', '', `label at-${at}`);
  const who = `${word(`who.${message.from}`)} ${word('spoken.to')} ${word(`who.${message.to}`)}: `;
  label.append(make('span', who, 'sr'), make('span', titled(message), 'title'));
  const summary = document.createElement('summary');
  summary.append(lanes, label, arrow);
  return summary;
}

/** Draws a message. */
function draw(message) {
  const open = document.createElement('details');
  open.append(summarize(message), make('pre', message.lines?.join('\n') || word('spoken.empty')));
  open.dataset.from = message.from;
  open.dataset.to = message.to;
  open.dataset.same = JSON.stringify([message.from, message.to, message.title, message.lines]);
  const item = document.createElement('li');
  item.append(open);
  list.append(item);
  nothing.hidden = true;
  fold();
}

/** Folds a question and its answer that repeat the two before them, as polls do, into one with a number. */
function fold() {
  const last = [...list.children].slice(-4).map((li) => li.firstElementChild);
  if (last.length < 4 || last.some((d) => d.open)) return;
  const [earlier, reply, question, answer] = last;
  if (earlier.dataset.same !== question.dataset.same || reply.dataset.same !== answer.dataset.same) return;
  const times = Number(earlier.dataset.times ?? 1) + 1;
  question.dataset.times = times;
  question.querySelector('.times')?.remove();
  const shown = make('span', ` × ${times}`, 'times');
  question.querySelector('.label').append(shown);
  earlier.parentElement.remove();
  reply.parentElement.remove();
}

/** Listens to all that passes after message n. */
export function listen(n) {
  const source = new EventSource(`/tape?after=${n}`);
  source.onmessage = (ev) => draw(JSON.parse(ev.data));
  source.onopen = () => {
    fault.hidden = true;
  };
  source.onerror = () => {
    fault.hidden = false; // it tries again by itself
  };
}
