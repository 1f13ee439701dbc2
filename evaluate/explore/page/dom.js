// Making elements and words. Whatever comes from a store goes through textContent or setAttribute, never through HTML.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

const fill = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
};

/** An HTML element; `text` is its text, `onclick` and the like its listeners. */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** The same of SVG. */
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const options = (select, pairs, chosen) => {
  select.replaceChildren(...pairs.map(([value, text]) => el("option", { value, text })));
  select.value = chosen;
};

/** Whether a part of the page waits for the server. */
export const busy = (id, waits) => {
  if ((byId(id).ariaBusy === "true") !== waits) byId(id).ariaBusy = String(waits);
};

/** Set text only where it changes: nothing is laid out anew for the same words. */
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

const grouped = new Intl.NumberFormat("en");
export const thousands = (n) => grouped.format(n);

/** One decimal, halves to the even digit: as `avreplay evaluate` prints it. */
const tenths = (x) => (Math.abs(x) % 1 === 0.25 ? x - 0.05 * Math.sign(x) : x).toFixed(1);

export const percent = (x) => (x === null || x === undefined ? "–" : tenths(x));

/** A difference with its sign; one that rounds to nothing is told from none. */
export const signed = (x) => {
  if (x === 0) return "±0";
  const text = Math.abs(x) < 0.05 ? "<0.1" : tenths(Math.abs(x));
  return (x > 0 ? "+" : "−") + text;
};

/** Seconds as m:ss, or with tenths where that is asked. */
export const clock = (seconds, tenths = false) => {
  const s = Math.max(0, seconds), whole = Math.floor(s + 1e-9);
  const h = Math.floor(whole / 3600), m = Math.floor((whole % 3600) / 60), rest = String(whole % 60).padStart(2, "0");
  const head = h ? `${h}:${String(m).padStart(2, "0")}` : String(m);
  return `${head}:${rest}` + (tenths ? "." + Math.floor((s - whole) * 10 + 1e-9) : "");
};

/** A number without the noise of its last binary digits, for fields. */
export const short = (x) => String(Number(Number(x).toPrecision(12)));

export const TRACKS = { audio: "Audio", visual: "Visual", audio_visual: "Audio-visual" };

export const trackTitle = (track) => TRACKS[track] ?? track;

/** A sentence of the server, as a sentence of the page. */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "");

let sayLater = 0;
/** Tell what changed to those who do not see it, once things have settled. */
export const announce = (text, after = 600) => {
  clearTimeout(sayLater);
  sayLater = setTimeout(() => say(byId("live"), text), after);
};
