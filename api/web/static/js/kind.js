// The kinds of call, as people read them.

import { text } from "./texts.js";

const KINDS = new Set(["pitch", "objection", "closing"]);
const known = (kind) => (KINDS.has(kind) ? kind : "other");

/** "Pitch". */
export const nameOf = (kind) => text(`page.kind.${known(kind)}.name`);

/** "Pitch practice". */
export const titleOf = (kind) => text(`page.kind.${known(kind)}.title`);

/** "Your pitch practice". */
export const yours = (kind) => text(`page.kind.${known(kind)}.yours`);
