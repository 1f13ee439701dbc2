// The form of a setting, made from what the decoder declares.

import { get } from "./api.js";
import { control, typed } from "./control.js";
import { byId, options, say } from "./dom.js";
import { changed, emit, on, pin, state } from "./state.js";

const known = new Map(); // what each decoder declares, by its name
let controls = [];

const decoderNamed = async (name) => {
  if (!known.has(name)) known.set(name, await get(`/api/decoder/${encodeURIComponent(name)}`));
  return known.get(name);
};

/** Values from an address are text until the decoder says what they are. */
const typeValues = (setting, decoder) => {
  const by = new Map(decoder.options.map((o) => [o.name, o]));
  for (const [name, value] of Object.entries(setting.values)) {
    if (by.has(name)) setting.values[name] = typed(by.get(name), value);
  }
};

/** What preset and profile say, until the answer of the server tells the whole setting. */
const expected = (decoder) => ({
  ...Object.fromEntries(decoder.options.map((o) => [o.name, o.default])),
  ...(decoder.presets[state.setting.preset] ?? {}),
  ...(decoder.profiles[state.setting.profile] ?? {}),
  ...state.setting.values,
});

const show = (values) => {
  for (const c of controls) {
    if (!c.busy()) c.show(values[c.name]);
    c.mark(Object.hasOwn(state.setting.values, c.name));
  }
};

const report = (name) => (value) => {
  if (value === undefined) delete state.setting.values[name];
  else state.setting.values[name] = value;
  controls.find((c) => c.name === name).mark(value !== undefined);
  changed();
};

const choose = (id, none, names, chosen) => {
  options(byId(id), [["", none], ...names.map((n) => [n, n])], chosen ?? "");
  byId(id).disabled = names.length === 0;
};

/** Build the form of the decoder of the present setting. */
export const showDecoder = async () => {
  const decoder = await decoderNamed(state.setting.decoder);
  typeValues(state.setting, decoder);
  if (state.baseline) typeValues(state.baseline, await decoderNamed(state.baseline.decoder));
  controls = decoder.options.map((o) => control(o, report(o.name)));
  const main = decoder.options.map((o) => o.main), some = main.includes(true);
  byId("main-options").replaceChildren(...controls.filter((_, i) => main[i] || !some).map((c) => c.row));
  byId("other-options").replaceChildren(...controls.filter((_, i) => !main[i] && some).map((c) => c.row));
  byId("more").hidden = !some || !main.includes(false);
  byId("decoder").value = decoder.name;
  byId("decoder").title = decoder.about;
  choose("preset", "none (the defaults)", Object.keys(decoder.presets), state.setting.preset);
  choose("profile", "none", Object.keys(decoder.profiles), state.setting.profile);
  show(expected(decoder));
  return decoder;
};

const showPins = () => {
  byId("unpin").hidden = byId("swap").hidden = state.baseline === null;
  say(byId("pin"), state.baseline === null ? "Pin as baseline" : "Pin anew");
  byId("pin").setAttribute("aria-pressed", String(state.baseline !== null));
};

const problem = (text) => say(byId("setting-problem"), text);

const refused = (error) => problem(error.message);

export const startForm = async (session) => {
  options(byId("decoder"), session.decoders.map((n) => [n, n]), state.setting.decoder);
  byId("decoder-row").hidden = session.decoders.length < 2;
  byId("decoder").addEventListener("input", async (event) => {
    state.setting = { decoder: event.target.value, preset: null, profile: null, values: {} };
    await showDecoder().then(changed, refused);
  });
  byId("preset").addEventListener("input", async (event) => {
    // a preset is a place to start from: what was set by hand before it would hide what it says
    Object.assign(state.setting, { preset: event.target.value || null, values: {} });
    show(expected(await decoderNamed(state.setting.decoder)));
    changed();
  });
  byId("profile").addEventListener("input", async (event) => {
    const decoder = await decoderNamed(state.setting.decoder);
    state.setting.profile = event.target.value || null;
    for (const name of Object.keys(decoder.profiles[state.setting.profile] ?? {})) delete state.setting.values[name];
    show(expected(decoder));
    changed();
  });
  byId("reset").addEventListener("click", async () => {
    state.setting.values = {};
    show(expected(await decoderNamed(state.setting.decoder)));
    changed();
  });
  byId("reset").disabled = false;
  byId("pin").addEventListener("click", () => pin(state.setting));
  byId("unpin").addEventListener("click", () => pin(null));
  byId("swap").addEventListener("click", async () => {
    [state.setting, state.baseline] = [state.baseline, state.setting];
    await showDecoder().then(changed, refused);
  });
  on("setting", showPins);
  on("setting-shown", (answer) => {
    problem("");
    show(answer.values);
  });
  on("setting-refused", (sentence) => {
    problem(sentence);
    const words = new Set(sentence.match(/\w+/g));
    if (controls.some((c) => words.has(c.name) && byId("other-options").contains(c.row))) byId("more").open = true;
  });
  on("setting-applied", async () => show(expected(await decoderNamed(state.setting.decoder))));
  const help = (event) => {
    const row = event.target.closest(".option");
    if (row) say(byId("option-help"), row.title);
  };
  // one place of a fixed size: words that come and go beside a control would move what is being clicked
  for (const name of ["focusin", "pointerover"]) document.querySelector(".setting").addEventListener(name, help);
  showPins();
  try {
    await showDecoder();
  } catch (error) {
    // an address of another version or of a plug-in that is not here: begin with what the command was given
    problem(`${error.message} The setting of the command line is shown instead.`);
    Object.assign(state, { setting: structuredClone(session.start), baseline: null });
    await showDecoder();
  }
};

/** Set one option from elsewhere, such as the smallest change that "why" names. */
export const apply = (name, value) => {
  state.setting.values[name] = value;
  emit("setting-applied");
  changed();
};
