// What helps against an objection: what to say, to ask, to avoid, and what comes next.

import { element, icon, unseen } from "./element.js";
import { text } from "./texts.js";

const PARTS = ["say", "ask", "avoid", "next"];

/** The four lines of a `card`, written in `language`. */
export function advice(card, language) {
  const line = (part) => element("div", { "data-part": part }, element("dt", {}, text(`page.playbook.card.${part}`)), element("dd", { lang: language }, card[part]));
  return element("dl", { class: "advice" }, ...PARTS.map(line));
}

/** Whether something was reached or said, as a mark and, unseen, in words. */
export function tick(isDone) {
  return element("span", { class: "tick" }, icon(isDone ? "check" : "open"), unseen(` ${text(isDone ? "page.playbook.done" : "page.playbook.open")}`));
}
