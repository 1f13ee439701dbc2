// The timeline of a video: an SVG of which only what is seen is drawn, anew for each zoom, pan and answer.

import { announce, byId, clock, el, svg, trackTitle } from "./dom.js";
import { CURVE, curvePanel } from "./curves.js";
import { player } from "./player.js";
import { AXIS, rowsOf } from "./rows.js";
import { labelRow, legend, patterns } from "./shapes.js";
import { chooseCell, on, state } from "./state.js";
import { askStrips, drawStrip, forgetStrips } from "./strips.js";
import { cellWords, eventWords } from "./video.js";
import { View, gestures } from "./view.js";

const box = byId("timeline");
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
let session, video = null, layout = { rows: [], height: 0 }, width = 0, left = 0, head = null, frame = 0;

const view = new View(() => {
  draw();
  if (video) askStrips(video, view, draw);
});

const at = (seconds) => left + ((seconds - view.from) / (view.to - view.from)) * (width - left - RIGHT);
const RIGHT = 20; // half of the last time under the axis
const plot = () => ({ left, width: Math.max(1, width - left - RIGHT) });

const pen = document.createElement("canvas").getContext("2d");
const fitted = (text, room) => {
  pen.font = `12px ${getComputedStyle(box).fontFamily}`;
  if (pen.measureText(text).width <= room) return text;
  let keep = text.length;
  while (keep > 1 && pen.measureText(`${text.slice(0, keep)}…`).width > room) keep--;
  return `${text.slice(0, keep)}…`;
};

const labelIndex = () => {
  const i = session.labels.indexOf(state.label);
  return i < 0 ? null : i;
};

const chosenCell = () => ({ track: state.track, label: labelIndex(), segment: state.segment });

const axis = (bottom) => {
  const span = view.to - view.from, room = width - left;
  const step = STEPS.find((s) => (s / span) * room >= 54) ?? 14400, made = [];
  for (let i = Math.ceil(view.from / step - 1e-9); i * step <= view.to + 1e-9; i++) {
    const x = at(i * step).toFixed(1);
    made.push(svg("line", { x1: x, x2: x, y1: AXIS - 5, y2: bottom, class: "grid" }),
      svg("text", { x, y: AXIS - 9, class: "tick", "text-anchor": "middle", text: clock(i * step, step < 1) }));
  }
  return made;
};

const rowElements = (row) => {
  const edges = [left, width - RIGHT], made = [];
  if (row.kind === "head") {
    made.push(svg("text", { x: 0, y: row.y + 14, class: "track", text: trackTitle(row.track) }));
    if (row.empty) made.push(svg("text", { x: left, y: row.y + 14, class: "muted", text: "nothing annotated or predicted" }));
    return made;
  }
  if (row.kind !== "label") return [drawStrip(row, { video, at, left, right: width - RIGHT, view })];
  const chosen = row.track === state.track && row.name === state.label;
  made.push(svg("rect", { x: 0, y: row.y, width: width - RIGHT, height: row.height, class: chosen ? "band chosen" : "band" }));
  const name = svg("text", { x: 6, y: row.y + 15, class: "name", text: fitted(row.name, left - 14) }, svg("title", { text: row.name }));
  const inside = svg("g", { "clip-path": "url(#plot)" }, ...labelRow(row, at, edges));
  made.push(name, inside);
  return made;
};

/** The frame around the chosen label and segment. */
const cellFrame = () => {
  if (state.segment === null || !video) return [];
  const s = video.segment_seconds, [a, b] = [at(state.segment * s), at((state.segment + 1) * s)];
  const row = layout.rows.find((r) => r.kind === "label" && r.track === state.track && r.name === state.label);
  if (!row || b < left || a > width) return [];
  return [svg("rect", { x: a, y: row.y + 0.5, width: Math.max(3, b - a), height: row.height - 1, class: "cell", "clip-path": "url(#plot)" })];
};

const paint = () => {
  frame = 0;
  if (!video || width < 60) return;
  const { track, label } = chosenCell(), top = layout.height + 6;
  const hasCurve = track !== null && label !== null;
  const curve = hasCurve ? video.curves[track]?.find((c) => c.label === label) : null;
  const below = top + (hasCurve ? CURVE : 0);
  const shows = { annotated: video.tracks.some((t) => t.truth), baseline: video.tracks.some((t) => t.baseline) };
  const { made, height } = legend(width, below, shows);
  const total = below + height;
  const root = svg("svg", { width, height: total, viewBox: `0 0 ${width} ${total}`, "aria-hidden": "true" }, patterns());
  root.firstChild.append(svg("clipPath", { id: "plot" }, svg("rect", { x: left, y: 0, width: width - left - RIGHT, height: total })));
  root.append(...axis(below - 8), ...layout.rows.flatMap(rowElements), ...cellFrame());
  if (hasCurve) {
    const chosen = { track, name: state.label };
    root.append(...curvePanel(curve, chosen, video.segment_seconds, top, { left, width: width - left - RIGHT, at, view }));
  }
  head = svg("g", { class: "head" }, svg("path", { d: `M-5 ${AXIS - 7}h10l-5 7z` }), svg("line", { x1: 0, x2: 0, y1: AXIS, y2: below - 8 }));
  root.append(...made, head);
  box.replaceChildren(root);
  moveHead(player.time);
};

/** Draw in the next frame, however often it is asked for. */
export const draw = () => {
  if (!frame) frame = requestAnimationFrame(paint);
};

const moveHead = (seconds) => {
  if (!head) return;
  const x = at(seconds);
  head.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
  head.style.display = x < left - 1 || x > width ? "none" : "";
};

const relayout = () => {
  width = box.clientWidth;
  left = Math.round(Math.min(150, Math.max(84, width * 0.17)));
  const { track, label } = chosenCell();
  const withMedia = video && ["playable", "preview"].includes(video.media.state);
  if (video) layout = rowsOf(video, session.labels, { track, label }, withMedia);
  draw();
};

const labelRows = () => layout.rows.filter((r) => r.kind === "label");

const choose = (row, segment) => {
  const cell = { track: row.track, label: row.name, segment };
  announce(`${trackTitle(row.track)}, ${row.name}, ${clock(segment * video.segment_seconds)}: ${cellWords(row.track, row.label, segment)}`, 150);
  chooseCell(cell);
};

const segmentAt = (seconds) => Math.max(0, Math.min(video.segments - 1, Math.floor(seconds / video.segment_seconds + 1e-9)));

const clicked = (seconds, y) => {
  box.focus({ preventScroll: true });
  if (!video) return;
  const height = y - box.getBoundingClientRect().top, inside = seconds >= view.from;
  if (inside) player.seek(Math.min(seconds, video.seconds));
  const segment = inside ? segmentAt(seconds) : state.segment ?? segmentAt(player.time);
  const row = height > layout.height ? null : labelRows().find((r) => height >= r.y && height < r.y + r.height);
  const near = row ?? labelRows().find((r) => r.track === state.track && r.name === state.label) ?? labelRows()[0];
  if (near) choose(near, segment);
};

/** What lies under the pointer, as a tooltip. */
const tell = (event) => {
  const { left: x0, top } = box.getBoundingClientRect(), y = event.clientY - top, x = event.clientX - x0;
  const row = video && x >= left ? labelRows().find((r) => y >= r.y && y < r.y + r.height) : null;
  const seconds = view.from + ((x - left) / plot().width) * (view.to - view.from);
  const words = row ? eventWords(row.track, row.label, segmentAt(seconds)) : "";
  const text = words ? `${row.name}: ${words}` : "";
  if (box.title !== text) box.title = text;
};

const moveCell = (across, down) => {
  const rows = labelRows();
  if (!rows.length) return;
  const i = rows.findIndex((r) => r.track === state.track && r.name === state.label);
  const row = rows[i < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, i + down))];
  const from = state.segment ?? segmentAt(player.time);
  const segment = Math.max(0, Math.min(video.segments - 1, from + across));
  if (across) {
    player.seek(segment * video.segment_seconds);
    view.reveal((segment + 0.5) * video.segment_seconds);
  }
  choose(row, segment);
};

const KEYS = {
  ArrowLeft: (e) => moveCell(e.shiftKey ? -10 : -1, 0), ArrowRight: (e) => moveCell(e.shiftKey ? 10 : 1, 0),
  ArrowUp: () => moveCell(0, -1), ArrowDown: () => moveCell(0, 1),
  Enter: () => moveCell(0, 0), Home: () => moveCell(-Infinity, 0), End: () => moveCell(Infinity, 0),
  "+": () => view.zoom(1.6, player.time), "=": () => view.zoom(1.6, player.time), "-": () => view.zoom(1 / 1.6, player.time),
  0: () => view.show(0, view.whole),
};

/** The event at the playhead, of the chosen row first; null where there is none. */
const eventHere = () => {
  const t = player.time, rows = labelRows();
  const chosen = rows.filter((r) => r.track === state.track && r.name === state.label);
  for (const r of [...chosen, ...rows]) {
    const found = [...r.predicted, ...r.truth].find(([a, b]) => a <= t && t < b);
    if (found) return found.slice(0, 2);
  }
  return null;
};

const askLoop = () => {
  if (player.loop) player.repeat(null);
  else if (video) {
    const s = video.segment_seconds, i = segmentAt(player.time);
    player.repeat(eventHere() ?? [i * s, (i + 1) * s]);
  }
};

/** The start of the next or previous event of any row. */
export const eventStep = (by) => {
  const starts = [...new Set(labelRows().flatMap((r) => [...r.predicted, ...r.truth].map(([a]) => a)))].sort((a, b) => a - b);
  const t = player.time;
  const next = by > 0 ? starts.find((a) => a > t + 0.05) : starts.findLast((a) => a < t - 0.05);
  if (next === undefined) return;
  player.seek(next);
  view.reveal(next);
};

const zoomButtons = () => {
  const button = (text, title, act) => el("button", { type: "button", text, title, "aria-label": title, onclick: act });
  byId("transport").append(
    el("span", { class: "gap" }),
    button("|◀", "Previous event ([)", () => eventStep(-1)), button("▶|", "Next event (])", () => eventStep(1)),
    button("−", "Zoom out (-)", () => view.zoom(1 / 1.6, player.time)), button("+", "Zoom in (+)", () => view.zoom(1.6, player.time)),
    button("All", "Show the whole video (0)", () => view.show(0, view.whole)));
};

export const startTimeline = (about) => {
  session = about;
  zoomButtons();
  gestures(box, view, plot, clicked);
  box.addEventListener("pointermove", tell);
  box.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || !video || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  });
  on("video-shown", ({ video: shown, other }) => {
    video = shown;
    if (other) {
      forgetStrips();
      if (state.segment !== null && state.segment >= video.segments) state.segment = null;
      view.reset(video.seconds, video.segment_seconds);
    }
    relayout();
  });
  on("cell", relayout);
  on("labels", (fresh) => {
    session = fresh;
    relayout();
  });
  on("time", (seconds) => {
    moveHead(seconds);
    if (player.playing && view.zoomed) view.reveal(seconds);
  });
  on("loop-asked", askLoop);
  new ResizeObserver(() => box.clientWidth !== width && relayout()).observe(box);
};
