// Hears of what happens while a page is open: by a WebSocket, or by long polls
// where the socket cannot be opened. A frame says that something happened and
// never what, so whoever listens reads anew; a frame that is lost costs time.

import { call, Problem } from './api.js';

const PROTOCOL = 'mitome.v1';
const REVOKED = 4401; // the session, or its last device, is no more
const CROWDED = 1008; // more tabs than one session may have sockets
const LASTING = 10_000; // ms after which a socket is taken to work

/** Runs task once at a time; asked for meanwhile, once more after that. */
export function serial(task) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await task();
      }
    } finally {
      running = false;
    }
  };
}

// Between half of it and all of it, so that the pages of a server that comes back
// do not all call at once.
function jittered(ms) {
  return ms * (0.5 + Math.random() / 2);
}

function backoff(failures) {
  return jittered(Math.min(60_000, 1000 * 2 ** failures));
}

/**
 * Calls changed whenever something may have changed: with the frame that said so,
 * and without one after each new connection, because something may have been
 * missed before it.
 */
export function live(changed) {
  let socket = null;
  let failures = 0;
  let timer = 0;
  let poll = null;

  function connect() {
    clearTimeout(timer);
    if (socket || !navigator.onLine) return; // "online" will call again
    const began = Date.now();
    try {
      socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/socket`, PROTOCOL);
    } catch {
      return ended({ code: 0 }, began);
    }
    socket.onopen = () => {
      poll?.abort();
      poll = null;
      changed();
    };
    socket.onmessage = (ev) => {
      const frame = JSON.parse(ev.data);
      ev.target.send(JSON.stringify({ type: 'ack', id: frame.id }));
      changed(frame);
    };
    socket.onclose = (ev) => ended(ev, began);
  }

  function ended(ev, began) {
    socket = null;
    failures = Date.now() - began > LASTING && ev.code !== CROWDED ? 0 : failures + 1;
    if (ev.code === REVOKED) failures = Math.max(failures, 5);
    changed();
    if (failures > 0) startPolling();
    timer = setTimeout(connect, backoff(failures));
  }

  function startPolling() {
    if (poll || document.hidden) return;
    poll = new AbortController();
    polling(poll);
  }

  async function polling(control) {
    const { signal } = control;
    let since = '';
    let missed = 0;
    while (!signal.aborted) {
      try {
        const query = since === '' ? '' : `?${new URLSearchParams({ since })}`;
        const { cursor } = await call('GET', `/v1/requests/wait${query}`, undefined, signal);
        missed = 0;
        if (cursor !== since) changed();
        since = cursor;
      } catch (err) {
        if (signal.aborted) return;
        if (err instanceof Problem && err.status === 401) {
          if (poll === control) poll = null; // nobody to hear for; the socket's own tries go on
          return changed();
        }
        missed += 1;
        await new Promise((done) => setTimeout(done, backoff(missed)));
      }
    }
  }

  // A tab that nobody sees asks nothing; a phone that was asleep catches up.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      poll?.abort();
      poll = null;
      return;
    }
    changed();
    connect();
    if (!socket || socket.readyState !== WebSocket.OPEN) startPollingLater();
  });
  function startPollingLater() {
    if (failures > 0) startPolling();
  }

  function network() {
    const banner = document.getElementById('offline');
    if (banner) banner.hidden = navigator.onLine;
    if (!navigator.onLine) return;
    changed();
    connect();
  }
  window.addEventListener('online', network);
  window.addEventListener('offline', network);
  window.addEventListener('pageshow', (ev) => {
    if (ev.persisted) changed(); // brought back as it was left, which may be long ago
  });
  network();
}
