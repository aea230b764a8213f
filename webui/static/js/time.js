// Times, as people read them.

/** What is left, in ms, as 1:22. */
export function clock(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

/** A moment as the page's language writes it: today's without the day. */
export function moment(at) {
  const date = new Date(at);
  const style = date.toDateString() === new Date().toDateString()
    ? { timeStyle: 'short' }
    : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(document.documentElement.lang, style).format(date);
}

/** Calls step at once and then each second, until what it returns is called. */
export function everySecond(step) {
  const timer = setInterval(step, 1000);
  step();
  return () => clearInterval(timer);
}
