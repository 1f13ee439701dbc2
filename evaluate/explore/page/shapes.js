// How outcomes look: told apart by shape and pattern first, by colour second.

import { svg } from "./dom.js";

const rect = (x, y, w, h) => `M${x.toFixed(1)} ${y}h${w.toFixed(1)}v${h}h${(-w).toFixed(1)}z`;

/** Boxes of spans as one path, cut to what is seen; a span is at least a pixel wide. */
export const boxes = (spans, at, y, height, [low, high], inset = 0) => {
  let path = "", end = -Infinity;
  for (const [from, to] of spans) {
    const a = Math.max(low, at(from)) + inset, b = Math.min(high, at(to)) - inset;
    if (b < low || a > high || b <= end) continue;
    const w = Math.max(1, b - a);
    path += rect(a, y, w, height);
    end = w <= 1 ? a + 1 : -Infinity; // spans of less than a pixel are drawn once
  }
  return path;
};

const cross = (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}M${x + r} ${y - r}l${-2 * r} ${2 * r}`;
const triangle = (x, y, r) => `M${x} ${y - r}l${r} ${1.8 * r}h${-2 * r}z`;

/** A mark in the middle of each span that is wide enough to bear one; narrower ones are told by their place. */
export const marks = (spans, at, y, kind, [low, high]) => {
  const shape = kind === "missed" ? cross : triangle, r = 3;
  let path = "", end = -Infinity;
  for (const [from, to] of spans) {
    const a = Math.max(low, at(from)), b = Math.min(high, at(to)), x = Number(((a + b) / 2).toFixed(1));
    if (b - a < 4 || x - r < end) continue;
    path += shape(x, y, r);
    end = x + r + 2;
  }
  return path;
};

/** The hatching of what is annotated, by an id of its own. */
export const patterns = () => {
  const hatch = (id, kind) => svg("pattern", { id, width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { width: 5, height: 5, class: "hatch-back" }), svg("line", { x1: 0, y1: 0, x2: 0, y2: 5, class: `hatch ${kind}` }));
  return svg("defs", {}, hatch("hatch-truth", "of-truth"), hatch("hatch-missed", "of-missed"));
};

/** One row of the timeline: truth above, prediction below, the baseline under both. */
export const labelRow = (row, at, edges) => {
  const y = row.y + 3, paths = [];
  const path = (d, name) => d && paths.push(svg("path", { d, class: name }));
  path(boxes(row.truth, at, y, 8, edges, 0.5), "truth");
  path(boxes(row.missed, at, y, 8, edges, 0.5), "missed");
  path(marks(row.missed, at, y + 4, "missed", edges), "missed-mark");
  path(boxes(row.hits, at, y + 10, 8, edges), "hit");
  path(boxes(row.alarms, at, y + 10, 8, edges), "alarm");
  path(marks(row.alarms, at, y + 13.6, "alarm", edges), "alarm-mark");
  path(boxes(row.ghost, at, y + 20.5, 4, edges, 0.5), "ghost");
  return paths;
};

const ITEMS = [
  ["annotated", "truth"], ["predicted", "hit"], ["missed", "missed"], ["false alarm", "alarm"], ["baseline", "ghost"],
];

/** What the shapes mean, in a row that wraps; returns the elements and their height. */
export const legend = (width, y, { annotated, baseline }) => {
  const made = [];
  let x = 4, line = 0;
  for (const [text, kind] of ITEMS) {
    if (kind === "ghost" ? !baseline : kind !== "hit" && !annotated) continue;
    const needed = 40 + text.length * 6.6;
    if (x + needed > width) [x, line] = [4, line + 1];
    const top = y + 6 + line * 18, span = [[x, x + 22]], same = (v) => v, edges = [0, width];
    const tall = kind === "ghost" ? 4 : 8;
    made.push(svg("path", { d: boxes(span, same, top + (8 - tall) / 2, tall, edges, 0.5), class: kind }));
    if (kind === "missed" || kind === "alarm") {
      made.push(svg("path", { d: marks(span, same, top + (kind === "alarm" ? 3.6 : 4), kind, edges), class: `${kind}-mark` }));
    }
    made.push(svg("text", { x: x + 28, y: top + 8, class: "legend-text", text }));
    x += needed;
  }
  return { made, height: 18 * (line + 1) + 6 };
};
