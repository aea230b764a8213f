// The service worker: what Mitome does in a browser while none of its pages is
// open. It shows who asks, and takes a no. It serves no page and keeps nothing.
//
// It is a script and no module, and imports nothing: not every browser runs
// modules here, and its policy lets nothing be loaded. What it may have to say by
// itself stands before this text, in `words`, put there by the server.

const VERSION = 1; // of what a push says
const PATIENCE = 20_000; // ms that a call may take: a browser ends a worker that takes much longer over a push
const SLACK = 10 * 60_000; // ms by which a phone's clock may be ahead: better a late question than none

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (ev) => ev.waitUntil(self.clients.claim()));
self.addEventListener('push', (ev) => ev.waitUntil(inTurn(() => received(ev.data))));
self.addEventListener('notificationclick', (ev) => {
  ev.notification.close();
  ev.waitUntil(ev.action === 'deny' ? deny(ev.notification) : open(ev.notification.data.url));
});
self.addEventListener('pushsubscriptionchange', (ev) => ev.waitUntil(renew(ev)));

let last = Promise.resolve();

/**
 * Does one piece of work after the other. While one notification is being shown,
 * a look at those that are (`getNotifications`) makes Chromium forget it: it stays
 * on the screen, and no clear would ever find it.
 */
function inTurn(work) {
  const turn = last.then(work);
  last = turn.catch(() => {});
  return turn;
}

/** Makes one call of Mitome's API, as the page's api.js does. */
async function call(method, path, body) {
  const headers = { Accept: 'application/json', 'Accept-Language': words.lang };
  if (body) headers['Content-Type'] = 'application/json';
  const init = { method, headers, credentials: 'same-origin', body: body && JSON.stringify(body) };
  init.signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(path, init);
  if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { status: response.status });
  return response.status === 204 ? {} : response.json();
}

/** What a push says; null if nothing, or nothing that this worker understands. */
function read(data) {
  try {
    const said = data.json();
    return said.v === VERSION ? said : null;
  } catch {
    return null;
  }
}

async function received(data) {
  const said = read(data);
  await forgetOld();
  if (!said) return unsaid();
  if (said.kind === 'clear' || old(said.expires_at)) return close(said.key, said.title);
  return show(said);
}

function old(until) {
  return until !== undefined && Date.parse(until) + SLACK <= Date.now();
}

/** Takes away what nobody can answer any more: no push need have come to say so. */
async function forgetOld() {
  for (const n of await self.registration.getNotifications()) if (old(n.data?.until)) n.close();
}

/** The address, if it is one of ours. The push was sealed by Mitome; this holds even so. */
function ours(url) {
  const { origin } = self.location;
  const to = URL.canParse(url, origin) ? new URL(url, origin) : null;
  return to?.origin === origin ? to.href : `${origin}/`;
}

function show(said) {
  const asks = said.kind === 'show';
  const actions = [{ action: 'deny', title: said.deny }, { action: 'open', title: said.open }];
  return self.registration.showNotification(said.title, {
    body: said.body ?? '',
    tag: said.key,
    icon: words.icon,
    lang: words.lang,
    data: { url: ours(said.url), until: said.expires_at, said },
    // Deny first: on a watch the first action is what a careless gesture takes.
    actions: asks && said.deny ? actions : [],
    requireInteraction: asks,
    renotify: !asks, // a question that comes twice rings once
  });
}

/**
 * Takes a notification away. A browser that has no actions may also be one that
 * ends the subscription of who receives a push and shows nothing (Safari does
 * after three), so there the end is shown first, without a sound.
 */
async function close(tag, title) {
  if (!Notification.maxActions) {
    await self.registration.showNotification(title ?? words.over, { tag, silent: true, icon: words.icon });
  }
  for (const n of await self.registration.getNotifications({ tag })) n.close();
}

/**
 * A push that says nothing: something waits, or waits no more. Which is asked; the
 * notification says no more of it than such a push may.
 */
async function unsaid() {
  let waiting;
  try {
    waiting = (await call('GET', '/v1/requests')).requests;
  } catch {
    return show({ kind: 'unsaid', key: 'unsaid', url: '/', title: words.waiting, body: words.look });
  }
  const shown = await self.registration.getNotifications();
  for (const n of shown) {
    if (n.data?.said?.kind === 'show' && !waiting.some((r) => r.id === n.tag)) n.close();
  }
  const fresh = waiting.filter((r) => !shown.some((n) => n.tag === r.id));
  if (fresh.length === 0) return close('unsaid');
  await Promise.all(fresh.map((r) => show({
    kind: 'show', key: r.id, url: `/requests/${r.id}`, expires_at: r.expires_at,
    title: words.waiting, body: words.look, deny: words.deny, open: words.open,
  })));
}

/**
 * Says no. Whoever pressed Deny believes that it is done, so whatever kept it from
 * being done puts the question back, and says so.
 */
async function deny(notification) {
  const { said } = notification.data;
  try {
    await refuse(said);
  } catch (err) {
    const over = err.status === 404 || err.status === 409 || err.status === 410;
    const answer = { ...said, body: err.status ? words.refused : words.unsent };
    return inTurn(() => show(over ? { kind: 'over', key: said.key, url: said.url, title: words.over } : answer));
  }
}

/**
 * Tells Mitome. What a push brought says no for this device even where nobody is
 * signed in any more. Where it is not good (404), and in a notification that this
 * worker made by itself, it is the session that does.
 */
async function refuse(said) {
  const request = `/v1/requests/${encodeURIComponent(said.key)}`;
  if (said.capability) {
    try {
      return await call('POST', `${request}/deny`, { capability: said.capability });
    } catch (err) {
      if (err.status !== 404) throw err;
    }
  }
  return call('POST', `${request}/decision`, { verdict: 'deny' });
}

/** Shows a page of ours: the one that shows it already, the first page, or a new one. */
async function open(url) {
  const windows = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const here = windows.find((w) => w.url === url);
  if (here) return focus(here);
  // Another page may hold what somebody was typing.
  const home = windows.find((w) => new URL(w.url).pathname === '/');
  if (home) {
    const moved = await home.navigate(url).catch(() => null);
    if (moved) return focus(moved);
  }
  return self.clients.openWindow(url);
}

function focus(window) {
  return window.focus().catch(() => {}); // refused where no finger led here
}

/** The push service gave this browser another address. Pages see to it, too, when they open. */
async function renew(ev) {
  const old = ev.oldSubscription;
  const subscription = ev.newSubscription ?? (old && (await self.registration.pushManager.subscribe(old.options)));
  if (!subscription) return;
  const { endpoint, keys } = subscription.toJSON();
  const { devices } = await call('GET', '/v1/devices');
  const address = { channel: 'webpush', target: endpoint, ...keys, locale: words.lang };
  const own = devices.filter((d) => d.this);
  await Promise.all(own.map((d) => call('POST', `/v1/devices/${encodeURIComponent(d.id)}/addresses`, address)));
}
