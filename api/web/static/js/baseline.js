// The level and noise that volume feedback is relative to: a person's own microphone checks, and where
// there is none for a device, their own last calls with it.

import { recall, remember } from "./preferences.js";

const NAME = "baselines";
const MOST = 8;
const CALLS = "levels";
const MOST_CALLS = 40;
const LAST_CALLS = 5;
const ENOUGH_CALLS = 2;
const ENOUGH_SPEECH_S = 20;
/** How the microphone was opened (microphone.js): a level found in another way is not to be compared. */
const WAY = { echoCancellation: true };

/**
 * Keeps a check: {label, deviceId, speechLevelDbfs, noiseFloorDbfs, snrDb, date}. One per device label;
 * the oldest beyond eight are forgotten.
 */
export function keep(check) {
  const others = all().filter((known) => known.label !== check.label);
  remember(NAME, [{ ...check, ...WAY }, ...others].slice(0, MOST));
}

/** Every kept check, newest first. */
export function all() {
  return levels(NAME);
}

/** The check made with the device of this label, or what the last calls with it came to (`calls`: how many), or null. */
export function forDevice(label) {
  return all().find((known) => known.label === label) ?? ofCalls(label);
}

/** Whether anything is known of any device. */
export function isAnyKnown() {
  return all().length + calls().length > 0;
}

/** Keeps what a call on `label`, with automatic gain control off, came to; short ones tell too little. */
export function keepCall(label, { speechS, activeLevelDbfs, snrDb }) {
  if (activeLevelDbfs === null || snrDb === null || speechS < ENOUGH_SPEECH_S) return;
  const call = { label, speechLevelDbfs: activeLevelDbfs, noiseFloorDbfs: activeLevelDbfs - snrDb, ...WAY };
  remember(CALLS, [call, ...calls()].slice(0, MOST_CALLS));
}

// The median: one call held in a whisper moves nothing.
function ofCalls(label) {
  const last = calls().filter((call) => call.label === label).slice(0, LAST_CALLS);
  if (last.length < ENOUGH_CALLS) return null;
  const middle = (name) => median(last.map((call) => call[name]));
  return { label, speechLevelDbfs: middle("speechLevelDbfs"), noiseFloorDbfs: middle("noiseFloorDbfs"), calls: last.length };
}

function calls() {
  return levels(CALLS);
}

function levels(name) {
  const kept = recall(name, []);
  const isOne = (one) => typeof one?.speechLevelDbfs === "number" && one.echoCancellation === WAY.echoCancellation;
  return Array.isArray(kept) ? kept.filter(isOne) : [];
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
