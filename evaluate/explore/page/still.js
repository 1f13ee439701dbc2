// A still of the timeline as a file of its own: the drawing with its colours written into it, a title and the setting.

import { byId, svg } from "./dom.js";

const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap", "opacity", "fill-opacity", "font-family", "font-size", "font-weight"];
const TITLE = 46;

/** Copy how an element looks into attributes: a file has no style sheet. */
const dress = (from, to) => {
  const look = getComputedStyle(from);
  for (const name of LOOKS) if (look[name]) to.setAttribute(name, look.getPropertyValue(name).replace(/url\("?[^#]*#([^")]+)"?\)/, "url(#$1)"));
  if (look.display === "none") to.setAttribute("display", "none");
  to.removeAttribute("class");
  [...from.children].forEach((child, i) => dress(child, to.children[i]));
};

const drawn = () => {
  const shown = byId("timeline").querySelector("svg");
  if (!shown) throw new Error("No video is open, so there is nothing to draw.");
  const still = shown.cloneNode(true), width = Number(shown.getAttribute("width")), height = Number(shown.getAttribute("height"));
  dress(shown, still);
  const page = getComputedStyle(document.body), ink = page.color, paper = page.backgroundColor, margin = 12;
  const font = page.fontFamily;
  const whole = svg("svg", {
    xmlns: "http://www.w3.org/2000/svg", width: width + 2 * margin, height: height + TITLE + 2 * margin,
    viewBox: `0 0 ${width + 2 * margin} ${height + TITLE + 2 * margin}`,
  }, svg("rect", { width: "100%", height: "100%", fill: paper }),
  svg("text", { x: margin, y: margin + 16, fill: ink, "font-family": font, "font-size": 16, "font-weight": 600, text: byId("video-title").textContent }),
  svg("text", { x: margin, y: margin + 36, fill: ink, "font-family": "monospace", "font-size": 10, text: byId("command").textContent }));
  still.setAttribute("x", margin);
  still.setAttribute("y", margin + TITLE);
  still.removeAttribute("aria-hidden");
  whole.append(still);
  return whole;
};

const written = (whole) => new XMLSerializer().serializeToString(whole);

export const stillSvg = () => new Blob([written(drawn())], { type: "image/svg+xml" });

/** The same at twice the size of the screen. */
export const stillPng = async () => {
  const whole = drawn(), picture = new Image();
  const url = URL.createObjectURL(new Blob([written(whole)], { type: "image/svg+xml" }));
  try {
    picture.src = url;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * Number(whole.getAttribute("width"));
    canvas.height = 2 * Number(whole.getAttribute("height"));
    const pen = canvas.getContext("2d");
    pen.scale(2, 2);
    pen.drawImage(picture, 0, 0);
    const made = await new Promise((done) => canvas.toBlob(done, "image/png"));
    if (!made) throw new Error("The browser cannot make a PNG of this timeline; save it as SVG.");
    return made;
  } finally {
    URL.revokeObjectURL(url);
  }
};
