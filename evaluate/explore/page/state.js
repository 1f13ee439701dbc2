// What is set and what is looked at. It lives in the fragment of the address: a copied address opens the same.

/** A setting as the server takes it; `values` holds what differs from the preset and the profile. */
const copy = (setting) => ({ ...setting, values: { ...setting.values } });

export const state = {
  setting: { decoder: "", preset: null, profile: null, values: {} },
  baseline: null,
  video: null, // id
  track: null,
  label: null, // name
  segment: null,
  list: { sort: "id", figure: null, descending: false, label: null, kind: null, text: "" },
};

const LIST = { sort: "id", figure: null, descending: false, label: null, kind: null, text: "" };
const bus = new EventTarget();

/** Call `act` when something happens: setting, setting-shown, settled, video, cell, words, labels. */
export const on = (name, act) => bus.addEventListener(name, (event) => act(event.detail));
export const emit = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));

const written = (value) => (typeof value === "string" ? value : JSON.stringify(value));

const writeSetting = (to, prefix, setting) => {
  to.set(`${prefix}decoder`, setting.decoder);
  if (setting.preset) to.set(`${prefix}preset`, setting.preset);
  if (setting.profile) to.set(`${prefix}profile`, setting.profile);
  for (const [name, value] of Object.entries(setting.values)) to.set(`${prefix}set.${name}`, written(value));
};

const readSetting = (from, prefix) => {
  const decoder = from.get(`${prefix}decoder`);
  if (!decoder) return null;
  const values = {}, head = `${prefix}set.`;
  for (const [key, value] of from) if (key.startsWith(head)) values[key.slice(head.length)] = value;
  return { decoder, preset: from.get(`${prefix}preset`), profile: from.get(`${prefix}profile`), values };
};

let waiting = 0;

const writeAddress = () => {
  const to = new URLSearchParams();
  writeSetting(to, "", state.setting);
  if (state.baseline) writeSetting(to, "baseline.", state.baseline);
  for (const name of ["video", "track", "label"]) if (state[name] !== null) to.set(name, state[name]);
  if (state.segment !== null) to.set("segment", state.segment);
  for (const [name, usual] of Object.entries(LIST)) {
    if (state.list[name] !== usual && state.list[name] !== null) to.set(`list.${name}`, written(state.list[name]));
  }
  history.replaceState(null, "", `${location.pathname}${location.search}#${to}`);
};

/** The address is written at rest: it takes as long as an answer, and browsers refuse hundreds in half a minute. */
export const remember = () => {
  clearTimeout(waiting);
  waiting = setTimeout(writeAddress, 250);
};

/** Take over what the address says; false where it says nothing of a setting. */
export const readAddress = () => {
  const from = new URLSearchParams(location.hash.slice(1));
  const setting = readSetting(from, "");
  if (setting) state.setting = setting;
  state.baseline = readSetting(from, "baseline.");
  for (const name of ["video", "track", "label"]) state[name] = from.get(name);
  const segment = from.get("segment");
  state.segment = segment !== null && /^\d+$/.test(segment) ? Number(segment) : null;
  state.list = { ...LIST };
  for (const name of ["sort", "figure", "label", "kind", "text"]) {
    if (from.has(`list.${name}`)) state.list[name] = from.get(`list.${name}`);
  }
  state.list.descending = from.get("list.descending") === "true";
  return setting !== null;
};

export const change = (values) => {
  Object.assign(state.setting.values, values);
  changed();
};

export const changed = () => {
  remember();
  emit("setting", copy(state.setting));
};

export const pin = (setting) => {
  state.baseline = setting === null ? null : copy(setting);
  remember();
  emit("setting", copy(state.setting));
};

export const chooseCell = (cell) => {
  Object.assign(state, cell);
  remember();
  emit("cell", cell);
};

/** The setting and what it is compared with, as the server takes them. */
export const question = () => ({ setting: copy(state.setting), baseline: state.baseline && copy(state.baseline) });

let accepted = null;
export const accept = ({ setting, baseline }) => {
  accepted = { setting, baseline };
};

/** The same of the figures on screen: an impossible setting leaves list, video and words of why as they are. */
export const shownQuestion = () => accepted ?? question();
