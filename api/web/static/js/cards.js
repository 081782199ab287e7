// Tips: the newest large enough to read at a glance, two more beside it, the rest in a list.

import { announce } from "./announce.js";
import { byId, element, icon, unseen } from "./element.js";
import { clock } from "./moment.js";

const ON_SCREEN = 3;
const ON_SMALL_SCREEN = 2;

/** What a kind of feedback is called, and its icon. */
export const KINDS = {
  suggestion: { name: "Try this", icon: "idea" },
  correction: { name: "Change this", icon: "turn" },
  praise: { name: "Well done", icon: "check" },
};

/** The name, icon and urgency of a tip in words. */
export function kindOf({ kind, severity }) {
  const known = KINDS[kind] ?? KINDS.suggestion;
  return { ...known, name: kind === "correction" && severity === "high" ? "Change this now" : known.name };
}

/** A measured parameter's name as words: "thresholdDb" -> "threshold db". */
function words(name) {
  return name.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

/** The newest cards of a call. */
export class Cards {
  #list = byId("cards");
  #empty = byId("cards-empty");
  #earlier = byId("earlier");
  #earlierList = byId("earlier-cards");
  #small = matchMedia("(max-width: 40rem)");

  clear() {
    this.#list.replaceChildren();
    this.#earlierList.replaceChildren();
    this.#earlier.hidden = true;
    this.#empty.hidden = false;
    this.#empty.textContent = "Start talking. Tips appear here, one at a time.";
  }

  /** Says, until the first tip comes, that the person is being heard. */
  wait() {
    this.#empty.textContent = "You are being heard. Tips appear here, one at a time.";
  }

  /** Puts a tip on top and says it. */
  add(feedback) {
    const card = this.#card(feedback);
    for (const shown of this.#list.children) shown.classList.remove("fresh");
    this.#list.prepend(card);
    this.#empty.hidden = true;
    if (this.#list.children.length > (this.#small.matches ? ON_SMALL_SCREEN : ON_SCREEN)) this.#retire();
    announce(`${kindOf(feedback).name}: ${feedback.message}`);
  }

  // A card that someone is reading by keyboard stays; moving it would take the focus away.
  #retire() {
    const oldest = [...this.#list.children].reverse().find((card) => !card.contains(document.activeElement));
    if (!oldest) return;
    this.#earlierList.prepend(oldest);
    const count = this.#earlierList.children.length;
    byId("earlier-count").textContent = `Earlier tips (${count})`;
    this.#earlier.hidden = false;
  }

  #card(feedback) {
    const { name, icon: symbol } = kindOf(feedback);
    const [fromMs, toMs] = feedback.spanMs;
    const parameters = Object.entries(feedback.parameters ?? {}).map(([key, value]) =>
      element("div", {}, element("dt", {}, words(key)), element("dd", {}, String(value))),
    );
    return element(
      "li", { class: "card fresh", "data-kind": feedback.kind, "data-severity": feedback.severity, "data-code": feedback.code },
      icon(symbol),
      element("div", {},
        element("p", { class: "kind-name" }, element("span", {}, name), element("time", {}, clock(toMs))),
        element("h3", {}, feedback.message),
      ),
      element("details", {},
        element("summary", {}, "Why", unseen(`: ${feedback.message}`)),
        element("p", {}, feedback.evidence),
        element("dl", { class: "parameters" }, ...parameters, element("div", {}, element("dt", {}, "measured"), element("dd", {}, `${clock(fromMs)} to ${clock(toMs)}`))),
      ),
    );
  }
}
