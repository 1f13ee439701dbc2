// The player and the clock of the timeline: the clock also runs where there is no file to play.

import { address, whyNot } from "./api.js";
import { byId, clock, el, say, sentence } from "./dom.js";
import { emit, on } from "./state.js";

const media = byId("player");
let video = null, cursor = 0, loop = null, source = null, frame = 0;

const has = () => !media.hidden;
const offset = () => video?.media.offset ?? 0;

export const player = {
  /** Seconds from the start of the first segment. */
  get time() {
    return has() && media.readyState > 0 ? Math.max(0, media.currentTime - offset()) : cursor;
  },
  get playing() {
    return has() && !media.paused;
  },
  get loop() {
    return loop;
  },
  seek(seconds) {
    cursor = Math.max(0, Math.min(video?.seconds ?? 0, seconds));
    if (has()) media.currentTime = cursor + offset();
    emit("time", cursor);
  },
  toggle() {
    if (!has()) return;
    if (media.paused) media.play().catch(() => {}); // refused without a gesture, or the file has just been changed
    else media.pause();
  },
  pause: () => media.pause(),
  faster(by) {
    media.playbackRate = Math.min(4, Math.max(0.25, media.playbackRate * by));
  },
  /** Play a span again and again; null ends that. */
  repeat(span) {
    loop = span;
    if (span) {
      player.seek(span[0]);
      if (has() && media.paused) player.toggle();
    }
    emit("loop", span);
  },
};

const tick = () => {
  frame = 0;
  if (loop && player.playing && (player.time >= loop[1] || player.time < loop[0] - 0.5)) media.currentTime = loop[0] + offset();
  cursor = player.time;
  emit("time", cursor);
  if (player.playing) frame = requestAnimationFrame(tick);
};

const run = () => {
  if (!frame) frame = requestAnimationFrame(tick);
};

const SENTENCES = {
  missing: "The file of this video was not found; the timeline works without it.",
  unreadable: "The file of this video cannot be read.",
};

const unplayable = (text) => {
  media.hidden = true;
  say(byId("no-media"), text);
  byId("no-media").hidden = false;
};

const show = ({ video: shown, other }) => {
  video = shown;
  const { state, url, why } = shown.media;
  const wanted = url && (state === "playable" || state === "preview") ? address(url) : null;
  if (other) {
    cursor = 0;
    player.repeat(null);
  }
  if (wanted === source && !other) return;
  source = wanted;
  media.pause();
  if (wanted) {
    media.hidden = false;
    byId("no-media").hidden = !(state === "preview" && why);
    say(byId("no-media"), state === "preview" ? sentence(why) : "");
    media.src = wanted;
  } else {
    media.removeAttribute("src");
    media.load();
    unplayable(sentence(why) || SENTENCES[state] || "There is no file to play.");
  }
  emit("time", cursor);
};

export const startPlayer = () => {
  on("video-shown", show);
  for (const name of ["play", "pause", "seeked", "seeking", "timeupdate", "loadedmetadata"]) media.addEventListener(name, run);
  media.addEventListener("error", async () => {
    const failed = source;
    if (!failed) return;
    const why = await whyNot(failed);
    if (failed === source) unplayable(sentence(why) || "The browser cannot play the file of this video.");
  });
  media.addEventListener("ended", () => loop && player.repeat(loop)); // of an event that lasts to the end
  media.addEventListener("loadedmetadata", () => {
    if (cursor) media.currentTime = cursor + offset();
  });
  const button = (text, title, act) => el("button", { type: "button", text, title, "aria-label": title, onclick: act });
  const play = button("▶", "Play or pause (space)", () => player.toggle());
  const now = el("output", { class: "now", "aria-label": "Time", text: "0:00.0" });
  const again = button("Loop event", "Repeat the event at the playhead, or the chosen segment (o)", () => emit("loop-asked"));
  const speed = el("select", { "aria-label": "Speed", title: "Speed" },
    ...[0.25, 0.5, 1, 1.5, 2].map((value) => el("option", { value, text: `${value}×`, selected: value === 1 })));
  speed.addEventListener("input", () => (media.playbackRate = Number(speed.value)));
  byId("transport").append(play, now, again, speed);
  media.addEventListener("ratechange", () => (speed.value = String(media.playbackRate)));
  for (const name of ["play", "pause"]) media.addEventListener(name, () => say(play, media.paused ? "▶" : "❚❚"));
  on("time", (seconds) => say(now, clock(seconds, true)));
  on("loop", (span) => again.setAttribute("aria-pressed", String(span !== null)));
  on("video-shown", () => (play.disabled = speed.disabled = !has()));
};
