// The open video: asked for when it is chosen and when the setting has come to rest; drawn by player and timeline.

import { Latest, post } from "./api.js";
import { busy, byId, clock, el, percent, say, sentence, trackTitle } from "./dom.js";
import { emit, on, shownQuestion } from "./state.js";

let session, index = null;
export let video = null;

const spans = (events) => (events ?? []).map(([, a, b]) => `${short(a)}–${short(b)}`).join(", ");
const short = (segments) => clock(segments * video.segment_seconds, video.segment_seconds < 1 || !Number.isInteger(segments));

const EVERY = "Every event has a confidence, by which metrics that rank events order them: ";

/** How sure the decoder is of an event, and its seconds where they are finer than segments. */
const sureOf = ([, , , , confidence, from, to]) =>
  [from === null || from === undefined ? "" : `${from.toFixed(3)}–${to.toFixed(3)} s`,
    confidence === null || confidence === undefined ? "" : confidence.toFixed(3)].filter(Boolean).join(": ");

/** The predicted events at a segment in words: when, how sure; empty where there is none. */
export const eventWords = (track, label, segment) => {
  const events = video?.tracks.find((t) => t.track === track)?.events ?? [];
  return events.filter(([l, a, b]) => l === label && a <= segment && b > segment).map((event) => {
    const [, a, b, score, confidence, from, to] = event;
    const when = from === null || from === undefined ? spans([event]) : `${from.toFixed(3)}–${to.toFixed(3)} s (segments ${a}–${b})`;
    const known = score === null ? "" : `, score ${score.toFixed(3)}`;
    return `event ${when}${known}, confidence ${confidence.toFixed(3)}`;
  }).join("; ");
};

/** The rule by which the events have their confidence. */
export const confidenceRule = () => video?.confidence ?? "";

/** The events in words: for readers without the picture, and to copy. */
const table = () => {
  const rows = [];
  for (const { track, truth, events, baseline } of video.tracks) {
    const labels = new Set([...(truth ?? []), ...events, ...(baseline ?? [])].map(([label]) => label));
    for (const label of [...labels].sort((a, b) => a - b)) {
      const of = (list) => spans((list ?? []).filter(([l]) => l === label));
      rows.push([trackTitle(track), session.labels[label] ?? String(label), truth ? of(truth) : "", of(events), of(baseline),
        events.filter(([l]) => l === label).map(sureOf).join(", ")]);
    }
  }
  const heads = ["Track", "Label", "Annotated", "Predicted", "Baseline", "Confidence"];
  return el("table", {}, el("caption", { text: `${EVERY}${video.confidence}.` }), el("thead", {}, el("tr", {}, ...heads.map((text) => el("th", { scope: "col", text })))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text) => el("td", { text }))))));
};

const facts = () => [`${video.segments} segments of ${video.segment_seconds} s`, ...(video.notes ?? [])].join(", ");

/** The figures of this video alone, a line for each group of them. */
const ownFigures = () => {
  const groups = new Map();
  for (const { name, title, group } of session.metrics) {
    const x = video.figures?.[name];
    if (x !== null && x !== undefined) groups.set(group, [...(groups.get(group) ?? []), `${title} ${percent(x)}`]);
  }
  return [...groups].map(([group, parts]) => el("span", { text: `${group || "This video"}: ${parts.join(", ")}` }));
};

const line = new Latest(
  (what) => post("/api/video", what),
  (answer, what, newest) => {
    if (what.index !== index) return;
    if (newest) busy("timeline", false);
    const other = video?.index !== answer.index;
    video = answer;
    say(byId("video-title"), answer.id);
    byId("video-facts").replaceChildren(el("span", { text: facts() }), ...ownFigures());
    say(byId("video-problem"), "");
    if (byId("table-box").open) byId("table").replaceChildren(table());
    emit("video-shown", { video, other });
  },
  (text, _, newest) => {
    if (newest) busy("timeline", false);
    say(byId("video-problem"), sentence(text));
  },
);

const refresh = () => {
  if (index === null) return;
  busy("timeline", true);
  line.ask({ ...shownQuestion(), index });
};

export const startVideo = (about) => {
  session = about;
  on("video", (chosen) => {
    index = chosen.index;
    refresh();
  });
  on("settled", refresh);
  on("setting", () => index !== null && busy("timeline", true));
  on("setting-refused", () => busy("timeline", false));
  on("labels", (fresh) => {
    session = fresh;
    refresh();
  });
  byId("table-box").addEventListener("toggle", () => video && byId("table").replaceChildren(table()));
};

/** What a cell is at a segment: annotated and predicted or not. */
export const cellWords = (track, label, segment) => {
  const found = video?.tracks.find((t) => t.track === track);
  if (!found) return "";
  const has = (list) => (list ?? []).some(([l, a, b]) => l === label && a < segment + 1 && b > segment);
  const said = has(found.events) ? "predicted" : "not predicted";
  if (!found.truth) return said;
  const truth = has(found.truth), predicted = has(found.events);
  const verdict = truth === predicted ? "" : truth ? ": missed" : ": false alarm";
  return `${truth ? "annotated" : "not annotated"}, ${said}${verdict}`;
};

