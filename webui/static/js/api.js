// Calls to Mitome's own API: JSON there and back, problems as errors.

/** What the API refused, by RFC 9457. `type` is without the "urn:mitome:". */
export class Problem extends Error {
  constructor(status, body) {
    super(body.title ?? `HTTP ${status}`);
    this.status = status;
    this.type = (body.type ?? '').replace('urn:mitome:', '');
    this.triesLeft = body.tries_left;
    this.retryAfter = body.retry_after;
  }
}

/** The server could not be reached at all. */
export class Offline extends Error {}

// How far the server's clock is ahead of ours, in ms. Phones are often minutes
// off, which would make every "time left" a lie.
let ahead = 0;

/** The time by the server's clock, in ms. */
export function now() {
  return Date.now() + ahead;
}

/** Says what time it was at the server when it made this page, an RFC 3339 text. */
export function rendered(at) {
  ahead = Date.parse(at) - Date.now();
}

// The language is the page's, so that a view that is to be signed is worded as
// the one on the page.
function headers() {
  return { Accept: 'application/json', 'Accept-Language': document.documentElement.lang };
}

/** Makes one call. Body is sent as JSON; undefined sends none. */
export async function call(method, path, body, signal) {
  const init = { method, signal, credentials: 'same-origin', headers: headers() };
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  let response;
  let answer = {};
  try {
    response = await fetch(path, init);
    const text = await response.text();
    if (text !== '') answer = JSON.parse(text);
  } catch (err) {
    if (err.name === 'AbortError') throw err;
    // What a proxy or a captive portal says in our place is as good as silence.
    throw new Offline(err.message);
  }
  const date = Date.parse(response.headers.get('Date'));
  if (!Number.isNaN(date)) ahead = date - Date.now();
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}
