// Light or dark: as the system has it, or as it was chosen here.

import { byId } from "./dom.js";

const KEY = "avreplay-theme";

const stored = () => {
  try {
    return localStorage.getItem(KEY) ?? "auto";
  } catch {
    return "auto"; // storage is switched off
  }
};

const show = (theme) => {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
};

export const startTheme = () => {
  const select = byId("theme");
  select.value = stored();
  if (!select.value) select.value = "auto";
  show(select.value);
  select.addEventListener("input", () => {
    show(select.value);
    try {
      localStorage.setItem(KEY, select.value);
    } catch {
      // it holds for this page then
    }
  });
};
