// Why a label is or is not an event at a segment: the chosen cell explained stage by stage, with the smallest changes.

import { Latest, client, post } from "./api.js";
import { byId, clock, el, options, short, trackTitle } from "./dom.js";
import { apply } from "./form.js";
import { chooseCell, on, shownQuestion, state } from "./state.js";
import { player } from "./player.js";
import { confidenceRule, eventWords } from "./video.js";

let session, video = null;
const box = byId("why");

const hint = (text) => box.replaceChildren(el("p", { class: "says", text }));

const asValue = (value) => (typeof value === "number" ? short(value) : String(value));

const changeRow = (change, first) => el("li", {},
  el("span", {}, el("code", { text: change.option }), ` ${asValue(change.from)} → `, el("strong", { text: asValue(change.to) })),
  el("button", {
    type: "button", text: "Apply", class: first ? "first" : null, title: change.text,
    "aria-label": `Apply ${change.option} ${asValue(change.to)}`, onclick: () => apply(change.option, change.to),
  }));

const MARKS = { true: ["✓", "passed"], false: ["✕", "failed"], null: ["·", ""] };

const stageRow = (stage, lost) => {
  const [mark, words] = MARKS[String(stage.passed ?? null)];
  return el("li", { class: `stage ${words}`, "aria-current": stage.name === lost ? "step" : null },
    el("span", { class: "mark", text: mark, role: "img", "aria-label": words || "no decision" }),
    el("span", {}, el("strong", { text: stage.name }), " ", stage.text));
};

const show = (answer, what) => {
  const label = session.labels[what.label] ?? "", begin = what.segment * video.segment_seconds;
  const times = `${clock(begin)} to ${clock(begin + video.segment_seconds)}`;
  const verdict = answer.is_event ? "an event" : answer.lost_at ? `no event: lost at “${answer.lost_at}”` : "no event";
  const changes = answer.changes;
  const parts = [el("p", { class: "where" }, `${trackTitle(what.track)}, `, el("bdi", { text: label }), `, ${times}: `, el("strong", { text: verdict }))];
  const words = eventWords(what.track, what.label, what.segment);
  if (words) parts.push(el("p", { class: "told", "data-testid": "event-words", title: `Confidence: ${confidenceRule()}`, text: words }));
  if (answer.stages.length) parts.push(el("ol", { class: "stages" }, ...answer.stages.map((s) => stageRow(s, answer.lost_at))));
  else parts.push(el("p", { class: "told", text: answer.text }));
  if (!changes) parts.push(el("p", { class: "says", text: "Looking for the smallest change that makes it otherwise…" }));
  else if (changes.length) {
    parts.push(el("h4", { text: `The smallest change after which it is ${answer.is_event ? "no" : "an"} event` }),
      el("ul", { class: "changes" }, ...changes.slice(0, 1).map((c) => changeRow(c, true))));
    if (changes.length > 1) {
      parts.push(el("details", {}, el("summary", { text: `${changes.length - 1} other options that do it` }),
        el("ul", { class: "changes" }, ...changes.slice(1).map((c) => changeRow(c, false)))));
    }
  } else parts.push(el("p", { class: "says", text: "No change of one option alone makes it otherwise." }));
  box.replaceChildren(...parts);
};

// The stages are known at once. Changes take many replays: they are asked for once nothing has moved for a while, apart
// from the stages, whose next question ends them.
const REST = 350; // ms
let later = 0, current = null;

const failed = (sentence, what) => what === current && hint(sentence);

const deeper = new Latest(
  (what) => post("/api/why", { ...what, client, changes: true }),
  (answer, what) => !answer.stale && what === current && show(answer, what),
  failed,
);

const line = new Latest(
  (what) => post("/api/why", { ...what, client, changes: false }),
  (answer, what) => {
    if (answer.stale || what !== current || !video || what.index !== video.index) return;
    show(answer, what);
    clearTimeout(later);
    later = setTimeout(() => deeper.ask(what), REST);
  },
  failed,
);

const ask = () => {
  clearTimeout(later);
  current = null;
  const label = session.labels.indexOf(state.label);
  if (!video || label < 0 || state.track === null || state.segment === null) {
    hint("Click a label at a second of the timeline, or move there with the arrow keys, to see stage by stage what became of it.");
    return;
  }
  if (state.segment >= video.segments) return;
  const where = `${trackTitle(state.track)}, ${state.label}, ${clock(state.segment * video.segment_seconds)}`;
  if (box.dataset.where !== where) hint(`${where}: asking…`);
  box.dataset.where = where;
  current = { setting: shownQuestion().setting, index: video.index, track: state.track, label, segment: state.segment };
  line.ask(current);
};

/** Track and label of the curve and of the shownQuestion, also such as have no row. */
const pickers = () => {
  const tracks = el("select", { id: "pick-track" }), labels = el("select", { id: "pick-label" });
  const fill = () => {
    const names = video ? video.tracks.map((t) => t.track) : session.tracks;
    options(tracks, names.map((t) => [t, trackTitle(t)]), state.track ?? names[0]);
    options(labels, [["", "choose a label"], ...session.labels.map((l) => [l, l])], state.label ?? "");
  };
  const chosen = () => {
    const segment = state.segment ?? Math.floor(player.time / (video?.segment_seconds ?? 1));
    chooseCell({ track: tracks.value, label: labels.value || null, segment: Math.min(segment, (video?.segments ?? 1) - 1) });
  };
  for (const select of [tracks, labels]) select.addEventListener("input", chosen);
  byId("pick").append(el("label", {}, "Scores of ", tracks), el("label", {}, el("span", { class: "hidden", text: "Label" }), labels));
  fill();
  return fill;
};

export const startWhy = (about) => {
  session = about;
  on("setting", () => clearTimeout(later));
  const fill = pickers();
  on("video-shown", (shown) => {
    const other = shown.other;
    video = shown.video;
    if (other && (state.track === null || !video.tracks.some((t) => t.track === state.track))) state.track = video.tracks[0]?.track ?? null;
    fill();
    ask();
  });
  on("cell", () => {
    fill();
    ask();
  });
  on("labels", (fresh) => {
    session = fresh;
    fill();
  });
  ask();
};
