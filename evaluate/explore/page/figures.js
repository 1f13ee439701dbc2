// The figures of all videos, live: asked for as the setting moves, shown as soon as they come.

import { Latest, client, post } from "./api.js";
import { announce, busy, byId, el, percent, say, signed, thousands } from "./dom.js";
import { accept, emit, on, question } from "./state.js";

let tiles = [];
let sent = 0, shown = 0, settle = 0;
const SETTLED = 90; // ms without a newer setting, after which the list and the open video follow

const tile = ({ name, title }) => {
  const value = el("span", { class: "value", "data-testid": `metric-${name}`, text: "…" });
  const base = el("span", { class: "base", "data-testid": `baseline-${name}`, hidden: true });
  const change = el("span", { class: "change", hidden: true });
  const box = el("div", { class: "tile", title: name }, el("span", { class: "title", text: title }), value,
    el("span", { class: "pair" }, change, base));
  return { name, title, value, base, change, box };
};

const build = (metrics) => {
  tiles = metrics.map(tile);
  const groups = new Map();
  metrics.forEach((m, i) => groups.set(m.group, [...(groups.get(m.group) ?? []), tiles[i]]));
  byId("figure-groups").replaceChildren(...[...groups].map(([group, members]) =>
    el("div", { class: "group", role: "group", "aria-label": group || "Figures" },
      el("h3", { text: group, hidden: !group }), el("div", { class: "tiles" }, ...members.map((t) => t.box)))));
};

const showTile = (t, figure, baseline) => {
  say(t.value, percent(figure));
  if (figure === null || figure === undefined) t.value.removeAttribute("data-value");
  else t.value.setAttribute("data-value", String(figure));
  const pinned = baseline !== null && baseline !== undefined;
  t.base.hidden = t.change.hidden = !pinned;
  if (!pinned) {
    t.base.removeAttribute("data-value");
    say(t.base, "");
    return;
  }
  t.base.setAttribute("data-value", String(baseline));
  say(t.base, percent(baseline));
  const change = (figure ?? NaN) - baseline;
  say(t.change, Number.isNaN(change) ? "" : signed(change));
  t.change.dataset.sign = change > 0 ? "up" : change < 0 ? "down" : "same";
};

const show = (answer) => {
  for (const t of tiles) showTile(t, answer.metrics[t.name], answer.baseline?.[t.name]);
  say(byId("events"), `${thousands(answer.events)} ${answer.events === 1 ? "event" : "events"} in all videos.`);
  say(byId("took"), `Answered in ${answer.milliseconds.toFixed(answer.milliseconds < 10 ? 1 : 0)} ms.`);
  say(byId("against"), answer.baseline ? "Each change is against the pinned baseline, beside it." : "");
  byId("figures").classList.remove("stale");
  byId("pin").disabled = false;
};

const spoken = (answer) => {
  const few = tiles.slice(0, 12).map((t) => `${t.title} ${percent(answer.metrics[t.name])}`);
  return few.length ? `Figures: ${few.join(", ")}` : `${answer.events} events`;
};

const line = new Latest(
  (what) => post("/api/figures", what),
  (answer, what, newest) => {
    if (answer.stale || answer.seq < shown) return;
    shown = answer.seq;
    accept(what);
    show(answer);
    clearTimeout(settle);
    if (!newest) return;
    busy("figures", false);
    emit("setting-shown", answer);
    announce(spoken(answer));
    settle = setTimeout(() => emit("settled", answer), SETTLED);
  },
  (sentence, _, newest) => {
    if (!newest) return;
    busy("figures", false);
    byId("figures").classList.add("stale");
    byId("pin").disabled = true;
    emit("setting-refused", sentence);
  },
);

/** Ask for the figures of the present setting. */
export const askFigures = () => {
  clearTimeout(settle);
  busy("figures", true);
  line.ask({ ...question(), client, seq: ++sent });
};

export const startFigures = (session) => {
  build(session.metrics);
  if (!session.annotated) {
    byId("figure-groups").replaceChildren(el("p", {
      class: "says",
      text: "No annotations were given, so there are no figures: the timeline shows what is found. " +
        "Start with --dataset and --annotations to see the figures move.",
    }));
  }
  on("setting", askFigures);
  // what sticks below the figures, and what is scrolled to, keeps clear of them
  new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--figures", `${target.offsetHeight}px`)).observe(byId("figures"));
  window.addEventListener("server-back", askFigures);
};

export const metricTitle = (session, name) => {
  const found = session.metrics.find((m) => m.name === name);
  return found ? [found.group, found.title].filter(Boolean).join(": ") : name;
};

