// What to call this device, as far as the browser tells: a name that its owner
// will know again in a list, and may change.

/** A name such as "Pixel 8" or "Firefox · Linux". */
export async function deviceName() {
  const hints = navigator.userAgentData;
  if (hints?.getHighEntropyValues) {
    try {
      const { model, platform } = await hints.getHighEntropyValues(['model', 'platform']);
      if (model) return model;
      return joined(brand(hints.brands), platform || systemOf(navigator.userAgent)); // some browsers say neither
    } catch {
      // the user agent's string, then
    }
  }
  return fromAgent(navigator.userAgent, navigator.maxTouchPoints);
}

/** The same from the string alone. iPads say that they are Macs, but no Mac has a touch screen. */
export function fromAgent(agent, touchPoints = 0) {
  if (/iPhone/.test(agent)) return 'iPhone';
  if (/iPad/.test(agent) || (/Macintosh/.test(agent) && touchPoints > 1)) return 'iPad';
  const browsers = [['Edg', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']];
  return joined(first(browsers, agent), systemOf(agent));
}

function systemOf(agent) {
  return first([['Android', 'Android'], ['CrOS', 'ChromeOS'], ['Windows', 'Windows'], ['Macintosh', 'Mac'], ['Linux', 'Linux']], agent);
}

function first(table, agent) {
  return table.find(([mark]) => agent.includes(mark))?.[1];
}

function brand(brands) {
  const known = brands.filter((b) => !/not.*brand/i.test(b.brand) && b.brand !== 'Chromium');
  return known[0]?.brand.replace(/^(Google|Microsoft) /, '') ?? 'Chromium';
}

function joined(...parts) {
  return parts.filter(Boolean).join(' · ');
}
