// The keys of the listen page, in words.

import { element } from "./element.js";
import { STAMPS } from "./stamps.js";
import { text } from "./texts.js";

const KEYS = ["M", "W", "A", "B", "N", "T", "G"];

/** Rows of a description list. */
export function shownKeys() {
  const row = (key, said) => element("div", {}, element("dt", {}, ...[key].flat().map((each) => element("kbd", {}, each))), element("dd", {}, said));
  return [
    row(text("page.modes.keys.space_key"), text("page.modes.keys.space")),
    ...KEYS.map((key) => row(key, text(`page.modes.keys.${key.toLowerCase()}`))),
    row(["1", "–", String(STAMPS.length)], text("page.modes.keys.stamps")),
  ];
}
