// What somebody who listens says without a sound: stamps and short notes, shown for a while.

import { announce } from "./announce.js";
import { element, icon, unseen } from "./element.js";
import { iconOf } from "./stamps.js";
import { has, text } from "./texts.js";

const STAMP_MS = 7_000;
const NOTE_MS = 25_000;
const READING_MS = 4_000;
const MOST = 3;

/** A stamp as it is said to the trainee. */
export const stampName = (stamp) => (has(`page.stamp.${stamp}`) ? text(`page.stamp.${stamp}`) : stamp);

export class CoachSays {
  #root;

  constructor(root) {
    this.#root = root;
  }

  /** Shows the data of a `note` event. */
  show({ kind, stamp, text: words, author }) {
    const said = kind === "stamp" ? stampName(stamp) : words;
    const card = element(
      "div", { class: "says", "data-kind": kind, "data-stamp": stamp },
      icon(kind === "stamp" ? iconOf(stamp) : "info"),
      element("p", {}, element("span", { class: "says-who" }, author), element("strong", {}, said)),
      element("button", { type: "button", class: "plain-icon", onclick: () => card.remove() }, icon("cross"), unseen(text("page.dismiss"))),
    );
    this.#root.append(card);
    while (this.#root.children.length > MOST) this.#root.firstElementChild.remove();
    announce(text("page.says", { author, said }));
    this.#expire(card, kind === "stamp" ? STAMP_MS : NOTE_MS);
  }

  clear() {
    this.#root.replaceChildren();
  }

  // Nothing goes away under the eyes of somebody who has it in hand.
  #expire(card, ms) {
    setTimeout(() => {
      if (card.matches(":hover, :focus-within")) this.#expire(card, READING_MS);
      else card.remove();
    }, ms);
  }
}
