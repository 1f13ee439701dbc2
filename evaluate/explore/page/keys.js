// Keys that work anywhere on the page but in fields, and the list of them.

import { byId, el } from "./dom.js";
import { step } from "./list.js";
import { player } from "./player.js";
import { emit } from "./state.js";
import { eventStep } from "./timeline.js";

const GENERAL = [
  [[" ", "k"], "space, K", "play or pause", () => player.toggle()],
  [["j"], "J", "5 s back", () => player.seek(player.time - 5)],
  [["l"], "L", "5 s on", () => player.seek(player.time + 5)],
  [["ArrowLeft"], "←", "1 s back", () => player.seek(player.time - 1)],
  [["ArrowRight"], "→", "1 s on", () => player.seek(player.time + 1)],
  [["["], "[", "previous event", () => eventStep(-1)],
  [["]"], "]", "next event", () => eventStep(1)],
  [["o"], "O", "repeat the event at the playhead", () => emit("loop-asked")],
  [["<"], "<", "slower", () => player.faster(0.5)],
  [[">"], ">", "faster", () => player.faster(2)],
  [["p"], "P", "previous video of the list", () => step(-1)],
  [["n"], "N", "next video of the list", () => step(1)],
  [["t"], "T", "to the timeline", () => byId("timeline").focus()],
  [["/"], "/", "find a video", () => byId("list-text").focus()],
  [["b"], "B", "pin the setting as baseline", () => byId("pin").click()],
  [["?"], "?", "this list", () => byId("help-button").click()],
];

const IN_TIMELINE = [
  ["← →", "a segment back or on (with shift: ten)"], ["↑ ↓", "another label"], ["Enter", "why?"],
  ["+ −", "zoom at the playhead"], ["0", "the whole video"], ["wheel, pinch, drag", "zoom and pan"],
];

const list = (title, pairs) => el("div", {}, el("h3", { text: title }),
  el("dl", {}, ...pairs.flatMap(([key, words]) => [el("dt", {}, el("kbd", { text: key })), el("dd", { text: words })])));

// arrows and letters belong to a field that has the focus
const writes = (node) => node.matches("input:not([type=checkbox]), select, textarea, [role=listbox]");

export const startKeys = () => {
  byId("help").append(list("Anywhere but in fields", GENERAL.map(([, key, words]) => [key, words])), list("In the timeline", IN_TIMELINE),
    list("On a slider", [["← →", "a step (with shift: a tenth)"], ["Page up, page down", "ten steps"]]));
  byId("help-button").addEventListener("click", () => {
    const shows = byId("help").hidden;
    byId("help").hidden = !shows;
    byId("help-button").setAttribute("aria-expanded", String(shows));
  });
  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (key === "Escape" && !byId("help").hidden) byId("help-button").click();
    if (writes(target) || (key === " " && target.matches("button, summary, a, input, video"))) return;
    if (target.matches("video") && key.startsWith("Arrow")) return;
    const found = GENERAL.find(([keys]) => keys.includes(key.length === 1 ? key.toLowerCase() : key));
    if (!found) return;
    event.preventDefault();
    found[3]();
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    // a link would put the section in place of the setting in the address
    event.preventDefault();
    byId(event.currentTarget.dataset.skip).focus();
  });
};
