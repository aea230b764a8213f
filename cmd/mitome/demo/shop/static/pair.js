// Pairing: the phone is a second window, this one compares the codes.

import { announce, call, fill, only, press, word } from './dom.js';

const KEPT = 'shop.pairing'; // a pairing that was under way when the page was left
const fault = document.querySelector('#pair-fault');
const link = document.querySelector('#pair-link');
let timer = 0;

/** Opens a window of a phone's size, beside this one where there is room. */
function openPhone(url) {
  const width = 390;
  const height = Math.min(780, screen.availHeight - 40);
  const left = Math.max(0, Math.min(screenX + outerWidth, screen.availWidth - width));
  window.open(url, '_blank', `popup,noopener,width=${width},height=${height},left=${left},top=${screenY}`);
}

/** Shows how far the pairing has come. */
function show(state, focus = true) {
  only('pair', state);
  document.querySelector('#unpaired').hidden = state === 'completed';
  if (!focus) return;
  const next = document.querySelector(`[data-pair="${state}"] :is(button, a)`);
  if (state === 'claimed' || state === 'over') next?.focus();
  if (state === 'completed') document.querySelector('#go').focus({ preventScroll: true });
}

async function begin() {
  fault.hidden = true;
  let offer;
  try {
    offer = await call('POST', '/pairings');
  } catch {
    fault.hidden = false;
    return;
  }
  link.href = offer.link;
  show('offered');
  openPhone(offer.link);
  watch(offer.id);
}

function watch(id) {
  clearTimeout(timer);
  sessionStorage.setItem(KEPT, id);
  let state = 'offered';
  const look = async () => {
    let p;
    try {
      p = await call('GET', `/pairings/${encodeURIComponent(id)}`);
      fault.hidden = true;
    } catch (err) {
      if (err.code === 'not_found') p = { state: 'expired' };
      else fault.hidden = false;
    }
    if (p && p.state !== state) {
      state = p.state;
      moved(id, p);
    }
    if (state === 'offered' || state === 'claimed' || state === 'confirmed') timer = setTimeout(look, 700);
    else sessionStorage.removeItem(KEPT);
  };
  look();
}

function moved(id, p) {
  switch (p.state) {
    case 'claimed':
      link.removeAttribute('href'); // its secret is used up
      fill('match', `${p.match_code.slice(0, 3)} ${p.match_code.slice(3)}`);
      fill('device', p.device);
      document.querySelector('#confirm').dataset.id = id;
      announce(`${word('spoken.match')} ${p.match_code}`);
      return show('claimed');
    case 'confirmed':
      return show('confirmed');
    case 'completed':
      announce(word('spoken.paired'));
      return show('completed');
    default:
      return show('over');
  }
}

async function confirm() {
  fault.hidden = true;
  try {
    await call('POST', `/pairings/${encodeURIComponent(document.querySelector('#confirm').dataset.id)}/confirm`);
    show('confirmed');
  } catch {
    fault.hidden = false;
  }
}

/** Begins where the page was left. */
export function pairing() {
  press(document.querySelector('#pair'), begin);
  press(document.querySelector('#pair-again'), begin);
  press(document.querySelector('#confirm'), confirm);
  document.querySelector('#phone').addEventListener('click', (ev) => {
    if (ev.button !== 0 || ev.ctrlKey || ev.metaKey || ev.shiftKey) return;
    ev.preventDefault();
    openPhone(document.body.dataset.phone);
  });
  const kept = sessionStorage.getItem(KEPT);
  if (document.body.dataset.paired === 'true') return show('completed', false);
  if (kept === null) return show('none', false);
  show('confirmed', false);
  watch(kept);
}
