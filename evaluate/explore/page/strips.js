// Pictures under the visual track and the waveform under the audio track, asked for as the view needs them.

import { Refused, get } from "./api.js";
import { sentence, svg } from "./dom.js";

const MOST = { pictures: 60, wave: 2000 };
let strips = {}, later = 0, abort = new AbortController();

export const forgetStrips = () => {
  abort.abort();
  abort = new AbortController();
  strips = {};
};

const fetchStrip = async (kind, video, from, to, count) => {
  const [path, name] = kind === "pictures" ? ["thumbnails", "count"] : ["waveform", "bins"];
  return get(`/media/${video.index}/${path}`, { [name]: count, start: from, end: to }, abort.signal);
};

const load = async (kind, video, view, drawn) => {
  const have = strips[kind], span = view.to - view.from;
  // a strip holds what is seen and a page to each side; it is fetched anew once that is left, or seen much nearer
  if (have && (have.why || (have.from <= view.from + 1e-6 && have.to >= view.to - 1e-6 && have.to - have.from <= 6 * span))) return;
  const from = Math.max(0, view.from - span), to = Math.min(video.seconds, view.to + span);
  const count = kind === "pictures" ? Math.min(MOST.pictures, Math.max(4, Math.round((20 * (to - from)) / span))) : MOST.wave;
  try {
    const answer = await fetchStrip(kind, video, from, to, count);
    strips[kind] = { ...answer, from, to };
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) return;
    strips[kind] = { why: sentence(error.message) };
  }
  drawn();
};

/** Ask for the strips of what is seen, once the view has come to rest. */
export const askStrips = (video, view, drawn) => {
  clearTimeout(later);
  if (!["playable", "preview"].includes(video.media.state)) return;
  later = setTimeout(async () => {
    await load("wave", video, view, drawn);
    await load("pictures", video, view, drawn);
  }, 120);
};

const pictures = (strip, row, { at, left, right }) => {
  const each = (strip.to - strip.from) / strip.images.length, wide = Math.max(at(each) - at(0), 1);
  const group = svg("g", { "clip-path": "url(#plot)" });
  let end = -Infinity;
  strip.images.forEach((href, i) => {
    const x = at(strip.from + i * each);
    if (x + wide < left || x > right || x < end - 1) return;
    const shown = Math.max(wide, 34);
    end = x + shown;
    group.append(svg("image", {
      href, x: x.toFixed(1), y: row.y + 2, width: Math.min(shown, row.height * 1.9).toFixed(1), height: row.height - 4, preserveAspectRatio: "xMidYMid slice",
    }));
  });
  return group;
};

const wave = (strip, row, { at, left, right }) => {
  const each = (strip.to - strip.from) / strip.low.length, middle = row.y + row.height / 2, tall = row.height / 2 - 3;
  const bins = strip.low.length;
  const per = Math.max(1, Math.floor(1 / Math.max(1e-6, at(each) - at(0))));
  let up = "", down = "";
  for (let i = 0; i < bins; i += per) {
    const x = at(strip.from + (i + per / 2) * each);
    if (x < left - 2 || x > right + 2) continue;
    let low = 0, high = 0;
    for (let j = i; j < Math.min(bins, i + per); j++) [low, high] = [Math.min(low, strip.low[j]), Math.max(high, strip.high[j])];
    up += `${up ? "L" : "M"}${x.toFixed(1)} ${(middle - tall * Math.min(1, high) - 0.4).toFixed(1)}`;
    down = `L${x.toFixed(1)} ${(middle + tall * Math.min(1, -low) + 0.4).toFixed(1)}${down}`;
  }
  return svg("path", { d: up ? `${up}${down}z` : "", class: "wave", "clip-path": "url(#plot)" });
};

/** The strip of a row: pictures, waveform, or why there is none. */
export const drawStrip = (row, frame) => {
  const strip = strips[row.kind];
  const { left } = frame;
  if (!strip || strip.why) {
    const text = strip ? strip.why : row.kind === "wave" ? "reading the sound…" : "reading pictures…";
    return svg("text", { x: left, y: row.y + row.height / 2 + 4, class: "muted", text });
  }
  return row.kind === "pictures" ? pictures(strip, row, frame) : wave(strip, row, frame);
};
