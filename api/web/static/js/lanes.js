// Pace, volume and pitch of a call under its waveforms: drawn for the part that is seen, and told as a table.

import { element } from "./element.js";
import { clock } from "./moment.js";
import { decimal, text } from "./texts.js";

/** Each lane: its values, the range it is drawn in, decimals and unit. */
export const LANES = [
  { name: "pace", key: "syllablesPerS", low: 0, high: 8, digits: 1 },
  { name: "volume", key: "levelDbfs", low: -60, high: -10, digits: 0 },
  { name: "pitch", key: "pitchHz", low: 60, high: 360, digits: 0 },
];
const COLOURS = { trainee: "--accent", partner: "--info", coach_1: "--warn", coach_2: "--good" };
const PART_S = 60;
/** Ticks are this far apart at least. */
const TICK_PX = 84;
const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const colourOf = (track) => styled(COLOURS[track] ?? "--accent");

/** A canvas as large as it is shown, cleared; its context in CSS pixels, with its width and height. */
function fresh(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** How many seconds lie between two ticks where a second is `pxPerS` wide. */
export const tickOf = (pxPerS) => TICKS_S.find((seconds) => seconds * pxPerS >= TICK_PX) ?? TICKS_S.at(-1);

/** Draws the time axis from `fromS` on. */
export function drawAxis(canvas, fromS, pxPerS, durationS) {
  const { context, width, height } = fresh(canvas);
  const tick = tickOf(pxPerS);
  context.fillStyle = styled("--ink-soft");
  context.strokeStyle = styled("--edge");
  context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  context.textBaseline = "middle";
  for (let at = Math.ceil(fromS / tick) * tick; at <= Math.min(durationS, fromS + width / pxPerS); at += tick) {
    const x = Math.round((at - fromS) * pxPerS) + 0.5;
    context.beginPath();
    context.moveTo(x, height - 5);
    context.lineTo(x, height);
    context.stroke();
    const label = clock(at * 1000);
    const room = context.measureText(label).width;
    context.fillText(label, Math.max(0, Math.min(x - room / 2, width - room)), height / 2 - 2);
  }
}

/** Draws one lane of all `tracks` from `fromS` on. */
export function drawLane(canvas, { key, low, high }, tracks, fromS, pxPerS) {
  const { context, width, height } = fresh(canvas);
  context.strokeStyle = styled("--line");
  context.lineWidth = 1;
  for (const share of [0.02, 0.5, 0.98]) {
    context.beginPath();
    context.moveTo(0, Math.round(height * share) + 0.5);
    context.lineTo(width, Math.round(height * share) + 0.5);
    context.stroke();
  }
  const y = (value) => height - 2 - (Math.max(0, Math.min(1, (value - low) / (high - low))) * (height - 4));
  for (const { track, laneStepMs, lanes } of tracks) {
    const stepS = laneStepMs / 1000;
    const values = lanes[key];
    context.strokeStyle = context.fillStyle = colourOf(track);
    context.lineWidth = 1.75;
    // Where a pixel holds several values their mean is drawn.
    const group = Math.max(1, Math.ceil(1.5 / (stepS * pxPerS)));
    const first = Math.max(0, Math.floor(fromS / stepS / group) * group - group);
    const last = Math.min(values.length, Math.ceil((fromS + width / pxPerS) / stepS) + group);
    let isOpen = false;
    context.beginPath();
    for (let at = first; at < last; at += group) {
      const some = values.slice(at, at + group).filter((value) => value !== null);
      if (!some.length) { isOpen = false; continue; }
      const x = ((at + Math.min(group, values.length - at) / 2) * stepS - fromS) * pxPerS;
      const height_ = y(some.reduce((sum, value) => sum + value, 0) / some.length);
      if (isOpen) context.lineTo(x, height_);
      else { context.moveTo(x, height_); context.lineTo(x + 1, height_); }
      isOpen = true;
    }
    context.stroke();
  }
}

/** The same by the minute, as a table. `nameOf(track)` says whose values they are. */
export function lanesTable(tracks, durationMs, nameOf) {
  const heads = tracks.flatMap(({ track }) => LANES.map(({ name }) => (tracks.length > 1 ? `${text(`page.replay.lane.${name}`)}, ${nameOf(track)}` : text(`page.replay.lane.${name}`))));
  const rows = [];
  for (let fromS = 0; fromS * 1000 < durationMs; fromS += PART_S) {
    const cells = tracks.flatMap(({ laneStepMs, lanes }) => LANES.map(({ key, digits }) => {
      const [first, last] = [fromS, fromS + PART_S].map((at) => (at * 1000) / laneStepMs);
      const some = lanes[key].slice(first, last).filter((value) => value !== null);
      return some.length ? decimal(some.reduce((sum, value) => sum + value, 0) / some.length, digits) : "–";
    }));
    rows.push(element("tr", {}, element("th", { scope: "row" }, clock(fromS * 1000)), ...cells.map((cell) => element("td", {}, cell))));
  }
  return element(
    "table", { class: "lanes-table" },
    element("caption", { class: "unseen" }, text("page.replay.lanes_caption")),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, text("page.replay.from")), ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows),
  );
}
