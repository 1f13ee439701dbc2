// Out of the explorer: the command line, params.toml, the report, and stills of the timeline.

import { Lost, address, post } from "./api.js";
import { byId, say, sentence } from "./dom.js";
import { on, shownQuestion, state } from "./state.js";
import { stillPng, stillSvg } from "./still.js";

const told = (text, name = "says") => {
  byId("out-problem").className = name;
  say(byId("out-problem"), text);
};

const tell = (act) => async () => {
  told("");
  try {
    await act();
  } catch (error) {
    if (!(error instanceof Lost)) told(sentence(error.message), "problem");
  }
};

const download = (blob, name) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};

const copy = async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    told("The command is on the clipboard.");
  } catch {
    // no permission: it is selected, so that the usual keys copy it
    getSelection().selectAllChildren(byId("command"));
    told("The browser does not let the page copy; the command is selected, copy it with the keys.");
  }
};

const save = async () => {
  const { name, text } = await post("/api/params", shownQuestion());
  download(new Blob([text], { type: "application/toml" }), name);
};

const report = async () => {
  const tab = window.open("", "_blank"); // now, as a click's: later it would be a pop-up
  try {
    const { url } = await post("/api/report", shownQuestion());
    if (tab) tab.location.replace(address(url));
    else location.assign(address(url));
  } catch (error) {
    tab?.close();
    throw error;
  }
};

const stillName = (end) => `${(state.video ?? "video").replace(/[^\w.-]+/g, "_").slice(0, 80)}.${end}`;

export const startOut = () => {
  on("setting-shown", (answer) => {
    say(byId("command"), answer.command);
    for (const id of ["copy", "save", "report"]) byId(id).disabled = false;
  });
  on("video-shown", () => {
    for (const id of ["still-svg", "still-png"]) byId(id).disabled = false;
  });
  byId("copy").addEventListener("click", copy);
  byId("save").addEventListener("click", tell(save));
  byId("report").addEventListener("click", tell(report));
  byId("print").addEventListener("click", () => window.print());
  byId("still-svg").addEventListener("click", tell(async () => download(stillSvg(), stillName("svg"))));
  byId("still-png").addEventListener("click", tell(async () => download(await stillPng(), stillName("png"))));
};
