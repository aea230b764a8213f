// Hears of what happens while a page is open: by a WebSocket, or by long polls
// where the socket cannot be opened. A frame says that something happened and
// never what, so whoever listens reads anew; a frame that is lost costs time.

import { call, Problem } from './api.js';

const PROTOCOL = 'mitome.v1';
const REVOKED = 4401; // the session, or its last device, is no more
const CROWDED = 1008; // more tabs than one session may have sockets
const LASTING = 10_000; // ms after which a socket is taken to work
const PATIENT = 16_000; // ms that a try to connect is put off at most
const SELDOM = 60_000; // and where one is not to be had soon

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

// After 1, 2, 4, 8, 16 seconds at the latest, and anywhere before that, so that
// the pages of a server that comes back do not all call at once.
function backoff(failures) {
  return Math.random() * Math.min(PATIENT, 1000 * 2 ** failures);
}

/**
 * Calls changed whenever something may have changed: with the frame that said so,
 * and without one after each new connection, because something may have been
 * missed before it. Shows says of a frame about a request whether this page lets
 * people see that request.
 */
export function live(changed, shows = () => false) {
  let socket = null;
  let failures = 0;
  let timer = 0;
  let poll = null;
  let ticket = ''; // the server's word of a minute, with which it need not look up who connects again

  function connect() {
    clearTimeout(timer);
    if (socket || !navigator.onLine) return; // "online" will call again
    const began = Date.now();
    try {
      const protocols = ticket === '' ? [PROTOCOL] : [PROTOCOL, `ticket.${ticket}`];
      socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/v1/socket`, protocols);
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
      if (frame.type === 'ticket') {
        ticket = frame.ticket;
        return;
      }
      // To acknowledge a request is to say that it can be seen, and then no push
      // is sent. Where it cannot be seen, the push must come.
      if (frame.type !== 'show' || (document.visibilityState === 'visible' && shows(frame))) {
        ev.target.send(JSON.stringify({ type: 'ack', id: frame.id }));
      }
      changed(frame);
    };
    socket.onclose = (ev) => ended(ev, began);
  }

  function ended(ev, began) {
    socket = null;
    const unwanted = ev.code === REVOKED || ev.code === CROWDED;
    failures = Date.now() - began > LASTING && !unwanted ? 0 : failures + 1;
    changed();
    if (failures > 0) startPolling();
    timer = setTimeout(connect, unwanted ? SELDOM * (0.5 + Math.random() / 2) : backoff(failures));
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
