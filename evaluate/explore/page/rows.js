// What the timeline shows of a video, as rows: for each track its strip and a row for each label.

export const STRIP = 40, HEAD = 20, AXIS = 24;

/** Parts of spans `a` that no span of `b` covers. */
export const without = (a, b) => {
  const rest = [];
  for (const [from, to] of a) {
    let at = from;
    for (const [f, t] of b) {
      if (t <= at || f >= to) continue;
      if (f > at) rest.push([at, f]);
      at = Math.max(at, t);
    }
    if (at < to) rest.push([at, to]);
  }
  return rest;
};

/** Parts of spans `a` that spans of `b` cover. */
export const within = (a, b) => {
  const parts = [];
  for (const [from, to] of a) {
    for (const [f, t] of b) if (f < to && t > from) parts.push([Math.max(f, from), Math.min(t, to)]);
  }
  return parts;
};

const spansOf = (events, label, seconds) =>
  (events ?? []).filter(([l]) => l === label).map(([, a, b, score]) => [a * seconds, b * seconds, score ?? null]).sort((p, q) => p[0] - q[0]);

/**
 * Rows from top to bottom with their place and height: the head of a track, its strip (pictures or waveform) where
 * there is a file, and one row for each label that is annotated, predicted, in the baseline, or chosen.
 * Spans are [from, to, score] in seconds.
 */
export const rowsOf = (video, labels, chosen, withMedia) => {
  const rows = [];
  let y = AXIS;
  const add = (row, height) => {
    rows.push({ ...row, y, height });
    y += height;
  };
  const ghosts = video.tracks.some((t) => t.baseline);
  for (const { track, truth, events, baseline } of video.tracks) {
    add({ kind: "head", track, empty: false }, HEAD);
    if (withMedia && track === "visual") add({ kind: "pictures", track }, STRIP);
    if (withMedia && track === "audio") add({ kind: "wave", track }, STRIP);
    const found = new Set([...(truth ?? []), ...events, ...(baseline ?? [])].map(([label]) => label));
    if (chosen.track === track && chosen.label !== null) found.add(chosen.label);
    if (found.size === 0) rows.at(-1).kind === "head" && (rows.at(-1).empty = true);
    for (const label of [...found].sort((a, b) => a - b)) {
      const s = video.segment_seconds;
      const [t, p] = [spansOf(truth, label, s), spansOf(events, label, s)];
      add({
        kind: "label", track, label, name: labels[label] ?? `label ${label}`, annotated: truth !== null,
        truth: t, predicted: p, ghost: spansOf(baseline, label, s),
        missed: truth ? without(t, p) : [], alarms: truth ? without(p, t) : [], hits: truth ? within(p, t) : p,
      }, ghosts ? 30 : 24);
    }
  }
  return { rows, height: y };
};
