// Notifications while no page is open: a button to switch them on, and what
// keeps them on. A browser has one address for all the devices it stands for.

import { call, Offline, Problem } from './api.js';
import { press, say } from './stage.js';

const WORKER = '/sw.js';
const KEPT = 'mitome.push'; // what this tab has told the server already

// The one address that may become a script. The page's policy lets no other
// policy of this kind be made (Trusted Types).
const trusted = globalThis.trustedTypes?.createPolicy('mitome', {
  createScriptURL: (url) => (url.startsWith(`${WORKER}?`) ? url : null),
});

function worker() {
  const url = `${WORKER}?${new URLSearchParams({ lang: document.documentElement.lang })}`;
  return navigator.serviceWorker.register(trusted?.createScriptURL(url) ?? url, { scope: '/', updateViaCache: 'none' });
}

/** Where a browser keeps its notifications to itself: on an iPhone outside of the home screen. */
function missing() {
  return !('serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window);
}

function bytes(base64url) {
  const text = atob(base64url.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Subscribes, or finds the subscription that there is. */
async function subscribed(key) {
  await worker();
  const { pushManager } = await navigator.serviceWorker.ready;
  const options = { userVisibleOnly: true, applicationServerKey: bytes(key) };
  try {
    return await pushManager.subscribe(options);
  } catch (err) {
    if (err.name !== 'InvalidStateError') throw err;
    // Mitome has other keys than when this browser subscribed.
    await (await pushManager.getSubscription())?.unsubscribe();
    return pushManager.subscribe(options);
  }
}

async function own() {
  const { devices } = await call('GET', '/v1/devices');
  return devices.filter((d) => d.this).map((d) => `/v1/devices/${encodeURIComponent(d.id)}`);
}

/** Tells the server where each of this browser's devices is found, once a tab: push services change addresses. */
async function register(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  const address = { channel: 'webpush', target: endpoint, ...keys, locale: document.documentElement.lang };
  const paths = await own();
  const told = JSON.stringify([address, paths]);
  if (sessionStorage.getItem(KEPT) === told) return;
  await Promise.all(paths.map((path) => call('POST', `${path}/addresses`, address)));
  sessionStorage.setItem(KEPT, told);
}

async function on(key) {
  try {
    await register(await subscribed(key));
    say('push', 'on');
  } catch (err) {
    refused(err);
  }
}

async function ask(key) {
  say('push', 'ask');
  // Only a press may ask: a browser that is asked without one says no for ever.
  if ((await Notification.requestPermission()) === 'granted') await on(key);
  else say('push', Notification.permission === 'denied' ? 'blocked' : 'ask');
}

async function test() {
  say('push', 'on');
  try {
    await Promise.all((await own()).map((path) => call('POST', `${path}/test`)));
    say('push', 'sent');
  } catch (err) {
    say('push', err.status === 429 ? 'rate' : 'untested');
  }
}

function refused(err) {
  if (err instanceof Offline) return say('push', 'offline');
  if (err instanceof Problem && err.status === 401) { // signed out meanwhile: the page will say so
    document.getElementById('push').hidden = true;
    return;
  }
  say('push', Notification.permission === 'denied' ? 'blocked' : 'failed');
}

/** Shows on the page how this device is notified, and what can be done about it. */
export async function notifications() {
  let key;
  try {
    key = (await call('GET', '/v1/push')).webpush?.public_key;
  } catch {
    return; // a page without this is still a page
  }
  if (!key) return;
  document.getElementById('push').hidden = false;
  if (missing()) return say('push', 'missing');
  press(document.getElementById('push-ask'), () => ask(key));
  press(document.getElementById('push-test'), test);
  if (Notification.permission === 'granted') return on(key);
  say('push', Notification.permission === 'denied' ? 'blocked' : 'ask');
}

/** Ends the subscription: who has signed out here is told nothing here. */
export async function silence() {
  sessionStorage.removeItem(KEPT);
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const n of (await registration?.getNotifications()) ?? []) n.close();
  await (await registration?.pushManager?.getSubscription())?.unsubscribe();
}

/** Takes the notification of a request away that is over, or being answered. */
export async function answered(id) {
  const registration = await navigator.serviceWorker?.getRegistration();
  for (const n of (await registration?.getNotifications({ tag: id })) ?? []) n.close();
}
