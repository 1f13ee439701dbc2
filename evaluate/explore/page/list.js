// The list of videos: sorted and filtered by the server, of which only the rows near the eye are drawn.

import { Lost, Refused, get, post } from "./api.js";
import { busy, byId, clock, el, percent, say, signed, thousands } from "./dom.js";
import { metricTitle } from "./figures.js";
import { emit, on, remember, shownQuestion, state } from "./state.js";

const HEIGHT = 44; // px of a row, as in app.css
const PAGE = 100; // rows of one request
const AROUND = 60; // rows drawn beyond what is seen

export const KINDS = [
  ["missed", "missed", "✕"], ["false_alarm", "false alarm", "△"], ["boundary", "boundary", "↔"],
  ["wrong_modality", "wrong modality", "⇄"],
];

let session, total = 0, pages = new Map(), version = 0, drawnFrom = -1, drawnTo = -1, cursor = 0, abort = new AbortController();
const box = byId("list"), space = byId("list-space");

const asked = (offset, limit) => ({ ...shownQuestion(), ...state.list, offset, limit });

const rowAt = (i) => pages.get(Math.floor(i / PAGE))?.[i % PAGE];

const problem = (text) => say(byId("list-problem"), text);

/** Load a page once; a list that has changed meanwhile throws the answer away. */
const load = async (page) => {
  if (pages.has(page)) return;
  pages.set(page, []);
  const mine = version;
  try {
    const answer = await post("/api/videos", asked(page * PAGE, PAGE), abort.signal);
    if (mine !== version) return;
    pages.set(page, answer.rows);
    problem("");
    setTotal(answer.total);
    draw(true);
  } catch (error) {
    if (mine === version) pages.delete(page);
    if (error instanceof Refused && mine === version) problem(error.message);
    else if (!(error instanceof Lost) && error.name !== "AbortError") console.error(error);
  }
};

const setTotal = (n) => {
  total = n;
  space.style.height = `${n * HEIGHT}px`;
  const all = n === session.videos;
  say(byId("list-count"), all ? thousands(n) : `${thousands(n)} of ${thousands(session.videos)}`);
};

const errorsOf = (row) => el("span", { class: "errors" }, ...KINDS.filter(([kind]) => row[kind] > 0).map(([kind, name, mark]) =>
  el("span", { class: `kind ${kind}`, title: `${row[kind]} ${name}`, "aria-label": `${row[kind]} ${name}`, text: `${mark} ${row[kind]}` })));

const rowBox = (row, i) => {
  const open = row.id === state.video;
  return el("div", {
    class: "row", role: "option", id: `row-${i}`, "data-testid": `video-${row.id}`, "aria-selected": String(open),
    "aria-setsize": total, "aria-posinset": i + 1, title: row.id,
  },
  el("span", { class: "id", text: row.id }),
  el("span", { class: "figure", text: row.annotated ? percent(row.figure) : `${row.events} ${row.events === 1 ? "event" : "events"}` }),
  errorsOf(row),
  el("span", { class: "small" },
    row.change === null || row.change === undefined ? "" : el("span", {
      class: "change", "data-sign": row.change > 0 ? "up" : row.change < 0 ? "down" : "same", text: signed(row.change),
    }),
    el("span", { text: clock(row.seconds) }), row.media || !session.media ? "" : el("span", { class: "no-file", text: "no file" })));
};

/** Draw the rows near what is seen, where they have changed or what is seen has moved. */
const draw = (anew = false) => {
  const first = Math.floor(box.scrollTop / HEIGHT), seen = Math.ceil(box.clientHeight / HEIGHT) + 1;
  const from = Math.max(0, first - AROUND), to = Math.min(total, first + seen + AROUND);
  for (let p = Math.floor(from / PAGE); p * PAGE < Math.max(to, 1); p++) load(p);
  if (!anew && drawnFrom <= Math.max(0, first - 10) && drawnTo >= Math.min(total, first + seen + 10)) return;
  [drawnFrom, drawnTo] = [from, to];
  const rows = [];
  for (let i = from; i < to; i++) {
    const row = rowAt(i);
    if (!row) continue;
    const made = rowBox(row, i);
    made.style.top = `${i * HEIGHT}px`;
    made.classList.toggle("cursor", i === cursor);
    rows.push(made);
  }
  space.replaceChildren(...rows);
  if (total === 0 && pages.get(0)?.length === 0 && !byId("list-problem").textContent) {
    space.replaceChildren(el("p", { class: "says", text: "No video is like this." }));
  }
  box.setAttribute("aria-activedescendant", `row-${cursor}`);
};

/** Ask anew: `stay` keeps the place, as when the figures of the same list have moved. */
const refresh = async (stay = false) => {
  version++;
  busy("list", true);
  abort.abort();
  abort = new AbortController();
  const first = Math.floor((stay ? Math.floor(box.scrollTop / HEIGHT) : 0) / PAGE);
  const mine = version;
  try {
    const answer = await post("/api/videos", asked(first * PAGE, 2 * PAGE), abort.signal);
    if (mine !== version) return;
    pages = new Map([[first, answer.rows.slice(0, PAGE)]]);
    if (answer.rows.length > PAGE) pages.set(first + 1, answer.rows.slice(PAGE));
    problem("");
    setTotal(answer.total);
    if (!stay) box.scrollTop = 0;
    const open = answer.rows.findIndex((r) => r.id === state.video);
    cursor = open >= 0 ? first * PAGE + open : Math.min(cursor, Math.max(0, total - 1));
    if (state.list.sort === "change" && state.baseline === null) problem("There is no change to sort by: pin a baseline first.");
    draw(true);
  } catch (error) {
    if (error instanceof Refused && mine === version) problem(error.message);
    else if (!(error instanceof Lost) && error.name !== "AbortError" && !(error instanceof Refused)) console.error(error);
  } finally {
    if (mine === version) busy("list", false);
  }
};

const open = (row) => {
  Object.assign(state, { video: row.id });
  remember();
  emit("video", { id: row.id, index: row.index });
  for (const r of space.children) r.setAttribute("aria-selected", String(r.dataset.testid === `video-${row.id}`));
};

const move = (to, opens) => {
  cursor = Math.max(0, Math.min(total - 1, to));
  const top = cursor * HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + HEIGHT - box.clientHeight;
  draw(true);
  const row = rowAt(cursor);
  if (row && opens) open(row);
};

/** The next or previous video of the list. */
export const step = (by) => move(cursor + by, true);

const field = (name, made) => el("label", {}, el("span", { text: name }), made);

const choose = (key, pairs, name) => {
  const select = el("select", { id: `list-${key}` }, ...pairs.map(([value, text]) => el("option", { value, text })));
  select.value = state.list[key] ?? "";
  select.addEventListener("input", () => {
    state.list[key] = select.value || null;
    remember();
    refresh();
  });
  return field(name, select);
};

const labelPairs = () => [["", "any label"], ...session.labels.map((l) => [l, l])];

const filters = () => {
  const sorts = [["id", "id"], ["figure", "figure"], ["change", "change against the baseline"], ["errors", "errors"],
    ["events", "events"]].filter(([s]) => session.annotated || s === "id" || s === "events");
  const text = el("input", { type: "search", id: "list-text", placeholder: "part of an id", autocomplete: "off", spellcheck: "false" });
  text.value = state.list.text;
  let later = 0;
  text.addEventListener("input", () => {
    clearTimeout(later);
    busy("list", true);
    later = setTimeout(() => {
      state.list.text = text.value.trim();
      remember();
      refresh();
    }, 150);
  });
  const down = el("button", { type: "button", id: "list-descending", class: "order" });
  const order = () => {
    say(down, state.list.descending ? "↓" : "↑");
    const words = state.list.descending ? "greatest first" : "least first";
    down.setAttribute("aria-label", `Order: ${words}`);
    down.title = words;
  };
  down.addEventListener("click", () => {
    state.list.descending = !state.list.descending;
    order();
    remember();
    refresh();
  });
  order();
  const sort = choose("sort", sorts, "Sort by");
  sort.append(down);
  const annotated = session.annotated ? [
    choose("figure", [["", "the main figure"], ...session.metrics.map((m) => [m.name, metricTitle(session, m.name)])], "Figure"),
    choose("kind", [["", "any error or none"], ...KINDS.map(([k, n, mark]) => [k, `${mark} ${n}`])], "With"),
  ] : [];
  byId("list-filters").replaceChildren(field("Find", text), sort, ...annotated, choose("label", labelPairs(), "Label"));
};

/** Show only videos with a label, as after a new word; how many these are. */
export const showLabel = async (label) => {
  Object.assign(state.list, label === null ? { label } : { label, sort: "events", descending: true });
  filters();
  remember();
  await refresh();
  return total;
};

/** Open the video of an id, wherever it stands in the list; without one, the first of the list. */
export const openVideo = async (id) => {
  const wanted = id === null ? rowAt(0) : await findVideo(id).catch(() => null);
  if (wanted) open(wanted);
  else if (id !== null) say(byId("video-problem"), `There is no video ${id} in this store.`);
};

const findVideo = async (id) => {
  const found = await post("/api/videos", {
    ...shownQuestion(), sort: "id", figure: null, descending: false, label: null, kind: null, text: id, offset: 0, limit: 500,
  });
  return found.rows.find((r) => r.id === id);
};

export const startList = async (about) => {
  session = about;
  filters();
  box.addEventListener("scroll", () => requestAnimationFrame(() => draw()), { passive: true });
  new ResizeObserver(() => draw()).observe(box);
  space.addEventListener("click", (event) => {
    // by its place: a row that is drawn anew between press and release is no target
    const at = Math.floor((event.clientY - space.getBoundingClientRect().top) / HEIGHT);
    if (at < total) move(at, true);
  });
  box.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -total, End: total }[event.key];
    if (by) move(cursor + by, true);
    else if (event.key === "Enter") move(cursor, true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  let later = 0;
  on("settled", () => {
    clearTimeout(later);
    later = setTimeout(() => refresh(true), 160);
  });
  on("setting-refused", () => refresh(true));
  on("setting", () => {
    clearTimeout(later);
    version++;
    busy("list", true);
    abort.abort();
    abort = new AbortController();
  });
  on("labels", async () => {
    session = await get("/api/session");
    filters();
  });
  await refresh();
  await openVideo(state.video);
};
