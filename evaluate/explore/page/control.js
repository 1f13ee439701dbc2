// One option of a decoder: its slider, select, switch or text field.

import { el, short } from "./dom.js";

/** A value from an address, where everything is text, as the option's own type. */
export const typed = (option, value) => {
  if (typeof value !== "string") return value;
  if (option.kind === "bool") return value === "true";
  if (option.kind === "float" || option.kind === "int") return value === "" ? value : Number(value);
  return value;
};

const shown = (value) => (typeof value === "number" ? short(value) : String(value));

/** Round to the step of the slider, without digits that binary numbers add. */
const stepped = (value, step) => Number((Math.round(value / step) * step).toPrecision(10));

/** A hundredth of the range, as 1, 2 or 5 times a power of ten. */
const stepOf = (span) => {
  const rough = span / 100, power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  return power * [1, 2, 5, 10].find((n) => n * power >= rough * 0.999);
};

const slider = (option, described, report) => {
  const whole = option.kind === "int";
  const [low, high] = option.slider ?? [option.low ?? 0, option.high ?? 1];
  const step = option.step ?? (whole ? 1 : stepOf(high - low || 1));
  // "any" takes every number as it is given, by a script as well; only what is dragged is rounded to the step
  const range = el("input", {
    type: "range", id: `p-${option.name}`, "data-testid": `param-${option.name}`, min: low, max: high,
    step: whole ? 1 : "any", "aria-describedby": described,
  });
  const field = el("input", {
    type: "number", class: "field", min: option.low, max: option.high, step: whole ? 1 : "any",
    "aria-label": `${option.name}, as a number`, "aria-describedby": described, inputmode: "decimal",
  });
  let held = false;
  range.addEventListener("pointerdown", () => (held = true));
  for (const name of ["pointerup", "pointercancel", "change", "blur"]) range.addEventListener(name, () => (held = false));
  const reach = (value) => {
    if (value > Number(range.max)) range.max = value;
    if (value < Number(range.min)) range.min = value;
  };
  range.addEventListener("input", () => {
    const value = held && !whole ? Math.min(high, Math.max(low, stepped(range.valueAsNumber, step))) : range.valueAsNumber;
    if (held && !whole) range.value = value;
    field.value = short(value);
    report(value);
  });
  if (!whole) {
    range.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = stepped(range.valueAsNumber + by * (event.shiftKey ? step / 10 : step), step / 10);
      range.value = Math.min(Number(range.max), Math.max(Number(range.min), next));
      range.dispatchEvent(new Event("input"));
    });
  }
  field.addEventListener("input", () => {
    if (field.value === "" || Number.isNaN(field.valueAsNumber)) return;
    reach(field.valueAsNumber);
    range.value = field.valueAsNumber;
    report(field.valueAsNumber);
  });
  const show = (value) => {
    reach(value);
    if (Number(range.value) !== value) range.value = value;
    if (document.activeElement !== field && field.value !== short(value)) field.value = short(value);
  };
  return { inputs: [range, field], main: range, show, busy: () => held };
};

const choice = (option, described, report) => {
  const select = el("select", { id: `p-${option.name}`, "data-testid": `param-${option.name}`, "aria-describedby": described },
    ...option.choices.map((value) => el("option", { value, text: value })));
  select.addEventListener("input", () => report(select.value));
  return { inputs: [select], main: select, show: (value) => (select.value = value), busy: () => false };
};

const toggle = (option, described, report) => {
  const box = el("input", {
    type: "checkbox", id: `p-${option.name}`, "data-testid": `param-${option.name}`, "aria-describedby": described,
  });
  box.addEventListener("input", () => report(box.checked));
  return { inputs: [box], main: box, show: (value) => (box.checked = value), busy: () => false };
};

const text = (option, described, report) => {
  const field = el("input", {
    type: "text", id: `p-${option.name}`, "data-testid": `param-${option.name}`, "aria-describedby": described,
    autocomplete: "off", spellcheck: "false",
  });
  field.addEventListener("input", () => report(field.value.trim()));
  const show = (value) => {
    if (document.activeElement !== field) field.value = value;
  };
  return { inputs: [field], main: field, show, busy: () => false };
};

const kindOf = (option) =>
  option.kind === "bool" ? toggle : option.choices ? choice
    : option.kind === "float" || option.kind === "int" ? slider : text;

const CLASSES = new Map([[toggle, "switch"], [choice, "words"], [text, "words"], [slider, "slider"]]);

/**
 * The row of an option. `report(value)` is called with what the reader sets; `show(value)` shows what is set
 * without a report; `mark(changed)` tells an own value from that of the preset.
 */
export const control = (option, report) => {
  const help = `${option.help}${option.expects ? ` (${option.expects})` : ""}`;
  const described = `h-${option.name}`;
  const made = kindOf(option)(option, described, report);
  const undo = el("button", {
    type: "button", class: "undo", title: `${option.name}: back to what the preset says`, text: "↺", hidden: true,
    "aria-label": `${option.name}: back to what the preset says`, onclick: () => report(undefined),
  });
  const row = el("div", { class: `option ${CLASSES.get(kindOf(option))}`, title: help },
    el("label", { for: `p-${option.name}`, text: option.name }), ...made.inputs, undo,
    el("p", { id: described, class: "help-text", text: help }));
  return {
    row, name: option.name, busy: made.busy,
    show: (value) => {
      if (value === undefined || value === null) return;
      made.show(value);
      made.main.setAttribute("aria-valuetext", shown(value));
    },
    mark: (changed) => {
      row.classList.toggle("changed", changed);
      undo.hidden = !changed;
    },
  };
};
