// A person's own microphone checks: the level and noise that volume feedback is relative to.

import { recall, remember } from "./preferences.js";

const NAME = "baselines";
const MOST = 8;

/**
 * Keeps a check: {label, deviceId, speechLevelDbfs, noiseFloorDbfs, snrDb, date}. One per device label;
 * the oldest beyond eight are forgotten.
 */
export function keep(check) {
  const others = all().filter((known) => known.label !== check.label);
  remember(NAME, [check, ...others].slice(0, MOST));
}

/** Every kept check, newest first. */
export function all() {
  const kept = recall(NAME, []);
  return Array.isArray(kept) ? kept.filter((one) => typeof one?.speechLevelDbfs === "number") : [];
}

/** The check made with the device of this label, or null. */
export function forDevice(label) {
  return all().find((known) => known.label === label) ?? null;
}
