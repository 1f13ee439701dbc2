// What part of a video the timeline shows: zoom and pan, by wheel, pinch, drag, keys and buttons.

const LEAST = 2; // segments

/** The visible span in seconds; `moved` is called when it changes. */
export class View {
  from = 0;
  to = 1;
  whole = 1;
  least = 1;

  constructor(moved) {
    this.moved = moved;
  }

  /** A video of another length: all of it is shown. */
  reset(seconds, segmentSeconds) {
    this.whole = seconds || 1;
    this.least = Math.min(this.whole, LEAST * segmentSeconds);
    this.show(0, this.whole);
  }

  get zoomed() {
    return this.to - this.from < this.whole * 0.999;
  }

  show(from, to) {
    const span = Math.min(this.whole, Math.max(this.least, to - from));
    this.from = Math.max(0, Math.min(this.whole - span, from));
    this.to = this.from + span;
    this.moved();
  }

  /** Zoom by a factor; what is at `at` seconds stays where it is. */
  zoom(factor, at = (this.from + this.to) / 2) {
    const span = Math.min(this.whole, Math.max(this.least, (this.to - this.from) / factor));
    const share = (at - this.from) / (this.to - this.from);
    this.show(at - share * span, at + (1 - share) * span);
  }

  pan(seconds) {
    this.show(this.from + seconds, this.to + seconds);
  }

  /** Bring a moment into sight, a page at a time. */
  reveal(seconds) {
    const span = this.to - this.from;
    if (seconds < this.from || seconds > this.to) this.show(seconds - span * 0.1, seconds + span * 0.9);
  }
}

const LONG = 60; // s: a plain wheel zooms videos longer than this; the page scrolls over shorter ones

/** Let wheel and pointers move the view. `plot()` gives {left, width} of the plot in the box, in px. */
export const gestures = (box, view, plot, clicked) => {
  const seconds = (x) => {
    const { left, width } = plot();
    return view.from + ((x - box.getBoundingClientRect().left - left) / width) * (view.to - view.from);
  };
  const perPixel = () => (view.to - view.from) / plot().width;

  box.addEventListener("wheel", (event) => {
    const pinch = event.ctrlKey || event.metaKey, sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways) {
      if (!view.zoomed) return;
      event.preventDefault();
      view.pan((event.deltaX || event.deltaY) * perPixel());
      return;
    }
    if (!pinch && !view.zoomed && (view.whole < LONG || event.deltaY > 0)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    view.zoom(Math.exp(-event.deltaY * lines * (pinch ? 0.01 : 0.0022)), seconds(event.clientX));
  }, { passive: false });

  const held = new Map(); // pointers that are down: their last x
  let moved = 0, began = null;
  box.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    held.set(event.pointerId, event.clientX);
    if (held.size === 1) [moved, began] = [0, event];
  });
  box.addEventListener("pointermove", (event) => {
    if (!held.has(event.pointerId)) return;
    const before = [...held.values()], x = event.clientX, by = x - held.get(event.pointerId);
    held.set(event.pointerId, x);
    moved += Math.abs(by);
    if (held.size === 2) {
      const [a, b] = held.values(), apart = Math.abs(before[0] - before[1]);
      if (apart > 10) view.zoom(Math.max(0.5, Math.abs(a - b) / apart), seconds((a + b) / 2));
    } else if (moved > 4 && view.zoomed) {
      if (!box.hasPointerCapture(event.pointerId)) box.setPointerCapture(event.pointerId);
      view.pan(-by * perPixel());
    }
  });
  const release = (event) => {
    const was = held.delete(event.pointerId);
    if (was && held.size === 0 && moved <= 4 && event.type === "pointerup" && began) clicked(seconds(began.clientX), began.clientY);
    if (held.size === 0) began = null;
  };
  for (const name of ["pointerup", "pointercancel"]) box.addEventListener(name, release);
};
