(() => {
  "use strict";
  const config = {
    displaylogo: false, responsive: true, plotlyServerURL: "", showTips: false,
    modeBarButtons: [["toImage", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  const boxes = [...document.querySelectorAll(".figure")];

  // Dark: each colour of a figure has one that is read on a dark ground. Labels are text and stay.
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const onDark = JSON.parse(document.getElementById("dark-colours").textContent);
  const recoloured = (value, key) => {
    if (Array.isArray(value)) return value.map((one) => recoloured(one, key));
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, recoloured(one, name)]));
    return typeof value === "string" && key.endsWith("color") && onDark[value] || value;
  };

  const draw = (box) => {
    const dark = prefersDark.matches && !printing;
    if (box.dataset.drawn === String(dark)) return;
    const figure = JSON.parse(document.getElementById(box.id + "-data").textContent);
    const { data, layout } = dark ? recoloured(figure, "") : figure;
    const image = { format: "svg", filename: box.dataset.file, width: 1100, height: layout.height };
    const first = !box.dataset.drawn;
    box.dataset.drawn = String(dark);
    Plotly.newPlot(box, data, layout, { ...config, toImageButtonOptions: image }).then(() => {
      box.on("plotly_relayout", () => showDetail(box, data));
    });
    if (first) box.addEventListener("keydown", onKey);
  };
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "800px" });
  for (const box of boxes) near.observe(box);
  const redraw = () => boxes.filter((box) => box.dataset.drawn).forEach(draw);
  prefersDark.addEventListener("change", redraw);

  // A long video is drawn in columns; zoomed in, its single segments take their place, those near the range alone.
  const rangeOf = (box) => box.layout.xaxis.range.map(Number);
  const within = (trace, from, to) => {
    const near = trace.base.map((start, i) => start < to && start + trace.x[i] > from);
    const some = (list) => Array.isArray(list) ? list.filter((_, i) => near[i]) : list;
    if (!near.includes(true)) return { ...trace, base: [0], x: [null], y: [null], width: 1, hovertext: [] };
    return { ...trace, base: some(trace.base), x: some(trace.x), y: some(trace.y), width: some(trace.width),
      hovertext: some(trace.hovertext) };
  };
  const showDetail = (box, data) => {
    const meta = box.layout.meta;
    if (!meta || !meta.detail) return;
    const [from, to] = rangeOf(box), width = to - from;
    const wanted = width <= meta.detail ? "segments" : "columns";
    if (wanted === "columns" && box.dataset.shows !== "segments") return;
    box.dataset.shows = wanted;
    const shown = data.map((trace) => {
      if (trace.meta !== wanted) return { ...trace, visible: false };
      return { ...(wanted === "segments" ? within(trace, from - width, to + width) : trace), visible: true };
    });
    Plotly.react(box, shown, box.layout);
  };

  // The time axis by keys: + and - zoom, arrows move, 0 or Home shows all.
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const box = event.currentTarget, [from, to] = rangeOf(box), width = to - from, middle = (from + to) / 2;
    const figure = JSON.parse(document.getElementById(box.id + "-data").textContent);
    const [first, last] = figure.layout.xaxis.range;
    const moved = (start, size) => {
      const kept = Math.min(size, last - first), at = Math.max(first, Math.min(start, last - kept));
      return [at, at + kept];
    };
    const ranges = {
      "+": () => moved(middle - width / 4, width / 2), "=": () => moved(middle - width / 4, width / 2),
      "-": () => moved(middle - width, width * 2),
      ArrowLeft: () => moved(from - width / 4, width), ArrowRight: () => moved(from + width / 4, width),
      0: () => [first, last], Home: () => [first, last],
    };
    if (!(event.key in ranges)) return;
    event.preventDefault();
    Plotly.relayout(box, { "xaxis.range": ranges[event.key]() });
  };

  // A figure keeps the width of the screen unless told: on paper it would be cut. A timeline and its scores that are
  // higher than a page together are printed smaller, so that they stay on one.
  const paper = { width: 690, height: 980, least: 0.6 };
  const fit = (video, size) => {
    for (const box of video.querySelectorAll(".figure")) if (box.dataset.drawn) Plotly.relayout(box, size);
  };
  const videos = [...document.querySelectorAll(".video")];
  window.addEventListener("beforeprint", () => {
    printing = true;
    boxes.filter((box) => box.offsetParent).forEach(draw);
    redraw();
    for (const video of videos) {
      const part = Math.min(1, Math.max(paper.least, paper.height / video.offsetHeight));
      video.style.zoom = part < 1 ? part : "";
      fit(video, { width: Math.floor(paper.width / part), autosize: false });
    }
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    redraw();
    for (const video of videos) {
      video.style.zoom = "";
      fit(video, { width: null, autosize: true });
    }
  });

  const table = document.getElementById("index");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const count = document.getElementById("found");
  document.getElementById("filter").addEventListener("input", (event) => {
    const text = event.target.value.trim().toLowerCase();
    let found = 0;
    for (const row of rows) {
      row.hidden = !row.cells[1].textContent.toLowerCase().includes(text);
      found += !row.hidden;
    }
    count.textContent = text ? found + " of " + rows.length + " listed" : "";
  });
  const orders = {
    given: (a, b) => a.dataset.place - b.dataset.place,
    other: (a, b) => a.dataset.other - b.dataset.other,
    id: (a, b) => a.cells[1].textContent.localeCompare(b.cells[1].textContent),
    drawn: (a, b) => ("drawn" in b.dataset) - ("drawn" in a.dataset) || a.dataset.place - b.dataset.place,
  };
  document.getElementById("order").addEventListener("change", (event) => {
    body.append(...rows.sort(orders[event.target.value]));
  });
})();
