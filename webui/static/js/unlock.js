// Signing in again with a passkey, where the session is gone.

import { call, Offline, Problem } from './api.js';
import { get, supported } from './passkey.js';
import { press, say, show } from './stage.js';

const page = document.querySelector('#unlock');

async function unlock() {
  say('unlock', '');
  let assertion;
  let challenge;
  try {
    challenge = await call('POST', '/v1/session/challenge');
    assertion = await get(challenge.options);
  } catch (err) {
    if (err instanceof Offline || err instanceof Problem) return refused(err);
    // The browser does not say which it was: closed by the user, or no passkey.
    return say('unlock', err.name === 'SecurityError' ? 'fault' : 'cancelled');
  }
  try {
    await call('POST', '/v1/session', { id: challenge.id, assertion });
  } catch (err) {
    return refused(err);
  }
  location.replace(page.dataset.to);
}

function refused(err) {
  if (err instanceof Offline) return say('unlock', 'offline');
  if (!(err instanceof Problem)) throw err;
  if (err.status === 429) return say('unlock', 'rate');
  if (err.status >= 500) return say('unlock', 'fault');
  if (err.type === 'gesture_missing') return say('unlock', 'late');
  return say('unlock', 'unknown');
}

press(document.querySelector('#open'), unlock);
show(supported() ? 'unlock' : 'unsupported');
