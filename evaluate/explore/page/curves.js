// The scores of the chosen label against their moving thresholds, under the rows of the timeline.

import { svg, trackTitle } from "./dom.js";

export const CURVE = 132;
const PAD = { top: 20, bottom: 8 };

const rangeOf = (curve) => {
  const all = [...curve.score, ...(curve.threshold ?? [])].filter((x) => x !== null && Number.isFinite(x));
  if (!all.length) return [0, 1];
  let [low, high] = [all[0], all[0]];
  for (const x of all) [low, high] = [Math.min(low, x), Math.max(high, x)];
  if (low >= 0 && high <= 1) return [0, 1];
  const room = (high - low || 1) * 0.06;
  return [low - room, high + room];
};

/** A line through the visible segments: of more segments than pixels, the lowest and highest of each pixel. */
const line = (values, segment, view, at, up, step) => {
  const first = Math.max(0, Math.floor(view.from / segment) - 1), last = Math.min(values.length, Math.ceil(view.to / segment) + 1);
  const each = at(segment) - at(0);
  let path = "", pen = "M";
  if (each < 1) {
    const per = Math.ceil(1 / each);
    for (let i = first; i < last; i += per) {
      let low = Infinity, high = -Infinity;
      for (let j = i; j < Math.min(last, i + per); j++) {
        if (values[j] !== null) [low, high] = [Math.min(low, values[j]), Math.max(high, values[j])];
      }
      if (low === Infinity) pen = "M";
      else {
        const x = at((i + per / 2) * segment).toFixed(1);
        path += `${pen}${x} ${up(low).toFixed(1)}L${x} ${up(high).toFixed(1)}`;
        pen = "L";
      }
    }
    return path;
  }
  for (let i = first; i < last; i++) {
    const value = values[i];
    if (value === null || value === undefined) {
      pen = "M";
      continue;
    }
    const y = up(value).toFixed(1);
    if (step) path += `${pen}${at(i * segment).toFixed(1)} ${y}H${at((i + 1) * segment).toFixed(1)}`;
    else path += `${pen}${at((i + 0.5) * segment).toFixed(1)} ${y}`;
    pen = "L";
  }
  return path;
};

/** Points of the segments, filled where the score is above its threshold. */
const points = (curve, segment, view, at, up) => {
  if (at(segment) - at(0) < 7) return [];
  const first = Math.max(0, Math.floor(view.from / segment)), last = Math.min(curve.score.length, Math.ceil(view.to / segment));
  const made = [];
  for (let i = first; i < last; i++) {
    if (curve.score[i] === null) continue;
    const above = curve.threshold?.[i] !== null && curve.threshold?.[i] !== undefined && curve.score[i] > curve.threshold[i];
    made.push(svg("circle", { cx: at((i + 0.5) * segment).toFixed(1), cy: up(curve.score[i]).toFixed(1), r: 3.2, class: above ? "point above" : "point" }));
  }
  return made;
};

/** The elements of the panel at height `y`; `frame` is {left, width, at, view} of the timeline. */
export const curvePanel = (curve, chosen, segment, y, frame) => {
  const { left, width, at, view } = frame, made = [];
  const text = (x, top, words, name, anchor = "start") => made.push(svg("text", { x, y: top, class: name, "text-anchor": anchor, text: words }));
  const top = y + PAD.top, bottom = y + CURVE - PAD.bottom;
  made.push(svg("rect", { x: left, y: top, width, height: bottom - top, class: "panel" }));
  const name = `${trackTitle(chosen.track)}: ${chosen.name}`;
  const known = curve && [...curve.score, ...(curve.threshold ?? [])].some((x) => x !== null);
  if (!known) {
    const why = curve ? "The decoder tells no scores of this track." : "The label plays no part in this track of this video: there is no curve.";
    text(left + 8, top + 22, why, "muted");
    text(left, y + 13, name, "curve-title");
    return made;
  }
  const [low, high] = rangeOf(curve), up = (v) => bottom - ((v - low) / (high - low)) * (bottom - top);
  for (const share of [0, 0.5, 1]) {
    const value = low + share * (high - low), h = up(value);
    made.push(svg("line", { x1: left, x2: left + width, y1: h, y2: h, class: "grid" }));
    text(left - 6, h + 4, Number(value.toPrecision(2)), "tick", "end");
  }
  const inside = svg("g", { "clip-path": "url(#plot)" });
  const score = line(curve.score, segment, view, at, up, false), bound = line(curve.threshold ?? [], segment, view, at, up, true);
  if (bound) inside.append(svg("path", { d: bound, class: "threshold" }));
  if (score) inside.append(svg("path", { d: score, class: "score" }));
  inside.append(...points(curve, segment, view, at, up));
  made.push(inside);
  const state = curve.active ? "" : " (not selected for this video)";
  text(left, y + 13, `${name}${state}`, "curve-title");
  if (width > 420) {
    const x = left + width;
    made.push(svg("path", { d: `M${x - 168} ${y + 9}h22`, class: "score" }));
    text(x - 142, y + 13, "score", "legend-text");
    if (bound) {
      made.push(svg("path", { d: `M${x - 92} ${y + 9}h22`, class: "threshold" }));
      text(x - 66, y + 13, "threshold", "legend-text");
    }
  }
  return made;
};
