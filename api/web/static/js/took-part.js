// After a call: who was in it beside the trainee, and what for.

import { byId, element } from "./element.js";
import { text } from "./texts.js";

const ORDER = ["partner", "monitor", "whisper", "barge"];

/** Shows everybody in `tookPart` of a record. */
export function showTookPart(tookPart) {
  byId("took-part").hidden = tookPart.size === 0;
  byId("took-part-list").replaceChildren(...[...tookPart.values()].map(({ name, ways }) => element(
    "li", {}, element("strong", {}, name), " ", ORDER.filter((way) => ways.has(way)).map((way) => text(`page.took_part.${way}`)).join(", "))));
}
