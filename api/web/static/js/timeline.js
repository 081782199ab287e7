// The time line of a call: a waveform for each person (wavesurfer.js, BSD-3-Clause), lanes and markers on one axis.
// All rows show the same part, from `fromS` on, `pxPerS` wide a second.

import { element, icon, setIcon } from "./element.js";
import { colourOf, drawAxis, drawLane, LANES, lanesTable } from "./lanes.js";
import { placeMarkers, ROWS, walkMarkers } from "./markers.js";
import { text } from "./texts.js";

/** The rule for a style that the library writes holds for this height alone (`POLICY` in api/routes/pages.py). */
const HEIGHT_PX = 56;
const MOST_PX_PER_S = 120;
const AHEAD = 0.9;
let library = null;

/** Resolves with the library, or with null where it cannot be had: then there are no waveforms. */
function waves() {
  library ??= import("../vendor/wavesurfer/wavesurfer.esm.js").then((found) => found.default, (error) => {
    console.warn("Waveforms are not drawn:", error);
    return null;
  });
  return library;
}

const peaksOf = (encoded) => Float32Array.from(atob(encoded), (byte) => byte.charCodeAt(0) / 255);

export class Timeline {
  #root;
  #zoom;
  #playback;
  #told;
  #durationS = 1;
  #fromS = 0;
  #pxPerS = 1;
  #tracks = [];
  #waves = [];
  #canvases = new Map();
  #markerRows = new Map();
  #moments = [];
  #head = element("div", { class: "playhead", "aria-hidden": "true" });
  #axis = null;
  #due = 0;
  #turn = 0;

  /** `told`: {seek(ms), chosen(moment)}. */
  constructor(root, zoom, playback, told) {
    this.#root = root;
    this.#zoom = zoom;
    this.#playback = playback;
    this.#told = told;
    zoom.addEventListener("input", () => this.#zoomed());
    root.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    new ResizeObserver(() => this.#resized()).observe(root);
    new MutationObserver(() => this.#repaint()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  /** Shows the TimelineView `timeline`, or none; `nameOf(track)` names who spoke. */
  async show(timeline, durationMs, nameOf) {
    this.clear();
    const turn = this.#turn;
    this.#durationS = Math.max(1, durationMs / 1000);
    this.#tracks = timeline?.tracks ?? [];
    const heard = this.#tracks.filter(({ peaks, track }) => peaks && this.#playback.audio(track));
    const holders = heard.map(({ track }) => {
      const holder = element("div", { class: "wave", "data-track": track });
      this.#root.append(this.#label(nameOf(track), track, heard.length > 1), holder);
      return holder;
    });
    for (const lane of this.#tracks.length ? LANES : []) {
      const canvas = element("canvas", { class: "lane", "data-lane": lane.name, role: "img", "aria-label": text(`page.replay.lane_of.${lane.name}`) });
      this.#seekable(canvas);
      this.#canvases.set(lane, canvas);
      this.#root.append(element("div", { class: "row-label" }, element("span", {}, text(`page.replay.lane.${lane.name}`)), element("small", {}, text(`page.replay.unit.${lane.name}`))), canvas);
    }
    for (const row of ROWS) {
      const holder = element("div", { class: "markers", role: "group", "aria-label": text(`page.replay.row.${row}`), "data-row": row });
      walkMarkers(holder);
      this.#markerRows.set(row, holder);
      this.#root.append(element("div", { class: "row-label", "aria-hidden": "true" }, text(`page.replay.row.${row}`)), holder);
    }
    this.#axis = element("canvas", { class: "axis", "aria-hidden": "true" });
    this.#seekable(this.#axis);
    this.#root.append(element("div", { class: "row-label" }), this.#axis, this.#head);
    this.#fit();
    const WaveSurfer = heard.length ? await waves() : null;
    if (turn !== this.#turn || !WaveSurfer) {
      if (turn === this.#turn) for (const holder of holders) { holder.previousElementSibling.remove(); holder.remove(); }
      this.#draw();
      return;
    }
    await Promise.all(heard.map((one, index) => this.#wave(WaveSurfer, one, holders[index], nameOf(one.track))));
    this.#draw();
  }

  clear() {
    this.#turn += 1;
    for (const wave of this.#waves) wave.destroy();
    this.#waves = [];
    this.#tracks = [];
    this.#moments = [];
    this.#canvases.clear();
    this.#markerRows.clear();
    this.#axis = null;
    this.#root.replaceChildren();
  }

  /** Shows these moments (markers.js). */
  mark(moments) {
    this.#moments = moments;
    this.#draw();
  }

  /** The playhead goes to `ms`; `follows`: the part that is seen goes with it. */
  time(ms, follows) {
    const x = (ms / 1000 - this.#fromS) * this.#pxPerS;
    if (follows && (x < 0 || x > this.#width * AHEAD)) this.#goTo(ms / 1000 - (this.#width / this.#pxPerS) * (1 - AHEAD));
    else this.#place(ms);
  }

  /** The same figures as a table. */
  table(nameOf) {
    return lanesTable(this.#tracks, this.#durationS * 1000, nameOf);
  }

  get hasLanes() { return this.#tracks.length > 0; }

  /** In or out by one step, around the playhead. */
  zoomBy(steps) {
    this.#zoom.value = Number(this.#zoom.value) + steps * Number(this.#zoom.step || 1);
    this.#zoomed();
  }

  get #width() { return Math.max(1, this.#axis?.clientWidth ?? 1); }
  get #fitPxPerS() { return this.#width / this.#durationS; }

  #label(name, track, isOneOfMany) {
    const swatch = element("span", { class: "swatch", "data-track": track, "aria-hidden": "true" });
    if (!isOneOfMany) return element("div", { class: "row-label" }, swatch, element("span", {}, name));
    const symbol = icon("sound");
    const button = element(
      "button", { type: "button", class: "mute", "aria-pressed": "false", "aria-label": text("page.replay.mute", { name }), onclick: () => {
        const isMuted = !this.#playback.isMuted(track);
        this.#playback.mute(track, isMuted);
        button.setAttribute("aria-pressed", String(isMuted));
        setIcon(symbol, isMuted ? "sound-off" : "sound");
      } }, symbol,
    );
    return element("div", { class: "row-label" }, swatch, element("span", {}, name), button);
  }

  #wave(WaveSurfer, { track, peaks }, holder, name) {
    const wave = WaveSurfer.create({
      container: holder,
      media: this.#playback.master,
      peaks: [peaksOf(peaks)],
      duration: this.#durationS,
      height: HEIGHT_PX,
      barWidth: 2,
      barGap: 1,
      barRadius: 1,
      normalize: true,
      cursorWidth: 0,
      hideScrollbar: true,
      autoScroll: false,
      minPxPerSec: this.#pxPerS,
      ...this.#colours(track),
    });
    this.#waves.push(wave);
    wave.track = track;
    // It scrolls, so it is reached by the keyboard; the page's keys move along it.
    const scroll = wave.getWrapper().parentElement;
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", text("page.replay.waveform", { name }));
    wave.on("scroll", (fromS) => this.#scrolled(fromS));
    wave.on("error", (error) => console.warn("The waveform:", error));
    return new Promise((resolve) => { wave.once("decode", resolve); setTimeout(resolve, 3000); });
  }

  #colours(track) {
    const colour = colourOf(track);
    return { waveColor: `color-mix(in srgb, ${colour} 45%, transparent)`, progressColor: colour };
  }

  #seekable(canvas) {
    canvas.addEventListener("pointerdown", ({ button, offsetX }) => {
      if (button === 0) this.#told.seek((this.#fromS + offsetX / this.#pxPerS) * 1000);
    });
  }

  #fit() {
    this.#zoom.max = Math.max(0.5, Math.log2(MOST_PX_PER_S / this.#fitPxPerS)).toFixed(2);
    this.#pxPerS = this.#fitPxPerS * 2 ** Number(this.#zoom.value);
    this.#fromS = this.#within(this.#fromS);
  }

  #within(fromS) {
    return Math.max(0, Math.min(fromS, this.#durationS - this.#width / this.#pxPerS));
  }

  #zoomed() {
    const nowS = this.#playback.ms / 1000;
    const spanS = this.#width / this.#pxPerS;
    const isSeen = nowS >= this.#fromS && nowS <= this.#fromS + spanS;
    const aroundS = isSeen ? nowS : this.#fromS + spanS / 2;
    const x = (aroundS - this.#fromS) * this.#pxPerS;
    this.#fit();
    for (const wave of this.#waves) if (wave.getDecodedData()) wave.zoom(this.#pxPerS);
    this.#goTo(aroundS - x / this.#pxPerS);
  }

  #goTo(fromS) {
    this.#fromS = this.#within(fromS);
    for (const wave of this.#waves) wave.setScroll(this.#fromS * this.#pxPerS);
    this.#draw();
  }

  // Each row scrolls by itself; the others come along.
  #scrolled(fromS) {
    if (Math.abs(fromS - this.#fromS) * this.#pxPerS <= 1.5) return;
    this.#goTo(fromS);
  }

  #wheeled(event) {
    if (event.ctrlKey) {
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1 : -1);
      return;
    }
    const by = event.shiftKey ? event.deltaY : event.deltaX;
    if (!by || this.#pxPerS <= this.#fitPxPerS * 1.001) return;
    event.preventDefault();
    this.#goTo(this.#fromS + by / this.#pxPerS);
  }

  #resized() {
    if (!this.#axis) return;
    this.#fit();
    this.#goTo(this.#fromS);
  }

  #repaint() {
    for (const wave of this.#waves) wave.setOptions(this.#colours(wave.track));
    this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#due);
    this.#due = requestAnimationFrame(() => {
      if (!this.#axis) return;
      for (const [lane, canvas] of this.#canvases) drawLane(canvas, lane, this.#tracks, this.#fromS, this.#pxPerS);
      drawAxis(this.#axis, this.#fromS, this.#pxPerS, this.#durationS);
      const seen = { fromS: this.#fromS, pxPerS: this.#pxPerS, width: this.#width };
      for (const [row, holder] of this.#markerRows) {
        placeMarkers(holder, this.#moments.filter((moment) => moment.row === row), seen, (moment) => this.#told.chosen(moment));
      }
      this.#place(this.#playback.ms);
    });
  }

  #place(ms) {
    const x = (ms / 1000 - this.#fromS) * this.#pxPerS;
    this.#head.hidden = x < -1 || x > this.#width + 1;
    this.#head.style.setProperty("--x", `${x.toFixed(1)}px`);
  }
}
