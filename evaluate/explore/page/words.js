// A new word: typed, found in all videos at once, kept in the store or dropped.

import { Lost, get, post } from "./api.js";
import { byId, el, say, sentence, thousands } from "./dom.js";
import { askFigures } from "./figures.js";
import { showLabel } from "./list.js";
import { chooseCell, emit, state } from "./state.js";

let session;
const input = byId("new-label"), says = byId("word-says");

const show = () => {
  const { available, why } = session.word;
  input.disabled = byId("word-add").disabled = !available;
  if (!available) say(says, sentence(why));
  byId("words").replaceChildren(...session.words.map((label) => el("li", {},
    el("button", { type: "button", class: "link", text: label, title: "Show the videos with it", onclick: () => showLabel(label) }),
    el("button", { type: "button", text: "Drop", "aria-label": `Drop ${label}`, onclick: () => drop(label) }))));
  byId("word-keep").hidden = session.words.length === 0;
};

/** The labels of the server have changed: everything that names labels follows. */
const refresh = async () => {
  session = await get("/api/session");
  show();
  emit("labels", session);
  askFigures();
};

const told = async (act) => {
  byId("word-add").disabled = true;
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Lost)) say(says, sentence(error.message));
  } finally {
    byId("word-add").disabled = !session.word.available;
  }
};

const add = () => told(async () => {
  const label = input.value.trim();
  if (!label) {
    say(says, "Type a word first.");
    return;
  }
  say(says, "…");
  const made = await post("/api/word", { label });
  await refresh();
  input.value = "";
  const found = await showLabel(made.label);
  say(says, `“${made.label}” was looked for in all videos in ${made.milliseconds.toFixed(0)} ms; ` +
    `${found === 0 ? "no video has" : found === 1 ? "1 video has" : `${thousands(found)} videos have`} events of it under this setting.` +
    (made.note ? ` ${sentence(made.note)}` : ""));
  chooseCell({ label: made.label });
});

const drop = (label) => told(async () => {
  await post("/api/word/drop", { label });
  if (state.list.label === label) state.list.label = null; // before anything asks for videos with it
  if (state.label === label) chooseCell({ label: null });
  await refresh();
  await showLabel(state.list.label);
  say(says, `“${label}” is dropped.`);
});

const keep = () => told(async () => {
  const { labels, note } = await post("/api/word/keep", {});
  await refresh();
  say(says, `The store has ${labels.length} labels now. ${note}`.trim());
});

export const startWords = (about) => {
  session = about;
  byId("word-form").addEventListener("submit", (event) => {
    event.preventDefault();
    add();
  });
  byId("word-keep").addEventListener("click", keep);
  show();
};
