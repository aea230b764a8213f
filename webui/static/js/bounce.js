// A link on a stranger's page does not carry our strict cookie; a step from a
// page of ours does. It is taken once: should the browser still say that we come
// from elsewhere, the link on the page is there for the person to press.
const link = document.getElementById('on');
const key = 'bounced ' + link.pathname;
const last = Number(sessionStorage.getItem(key) || 0);
if (Date.now() - last > 10_000) {
  sessionStorage.setItem(key, String(Date.now()));
  link.click();
}
