// Tips: the newest large enough to read at a glance, two more beside it, the rest in a list.

import { announce } from "./announce.js";
import { byId, element, icon, unseen } from "./element.js";
import { clock } from "./moment.js";
import { decimal, has, text, write } from "./texts.js";

const ON_SCREEN = 3;
const ON_SMALL_SCREEN = 2;

const ICONS = { suggestion: "idea", correction: "turn", praise: "check" };

/** The name, icon and urgency of a tip in words. */
export function kindOf({ kind, severity }) {
  const known = kind in ICONS ? kind : "suggestion";
  const isUrgent = known === "correction" && severity === "high";
  return { icon: ICONS[known], name: text(`page.tips.${isUrgent ? "correction_now" : known}`) };
}

/** A measured parameter's name as words: "thresholdDb" -> "threshold db" where no text names it. */
function words(name) {
  const snake = name.replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  return has(`page.parameter.${snake}`) ? text(`page.parameter.${snake}`) : snake.replaceAll("_", " ");
}

/** A measured value, with as many decimals as it has, at most two. */
function figure(value) {
  return typeof value === "number" ? decimal(value, [0, 1].find((digits) => Number(value.toFixed(digits)) === value) ?? 2) : String(value);
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
    write(this.#empty, "page.tips.empty");
  }

  /** Says, until the first tip comes, that the person is being heard. */
  wait() {
    write(this.#empty, "page.tips.heard");
  }

  /** Puts a tip on top and says it. */
  add(feedback) {
    const card = this.#card(feedback);
    for (const shown of this.#list.children) shown.classList.remove("fresh");
    this.#list.prepend(card);
    this.#empty.hidden = true;
    if (this.#list.children.length > (this.#small.matches ? ON_SMALL_SCREEN : ON_SCREEN)) this.#retire();
    announce(text("page.tips.spoken", { kind: kindOf(feedback).name, tip: feedback.message }));
  }

  // A card that someone is reading by keyboard stays; moving it would take the focus away.
  #retire() {
    const oldest = [...this.#list.children].reverse().find((card) => !card.contains(document.activeElement));
    if (!oldest) return;
    this.#earlierList.prepend(oldest);
    const count = this.#earlierList.children.length;
    byId("earlier-count").textContent = text("page.tips.earlier_count", { count });
    this.#earlier.hidden = false;
  }

  #card(feedback) {
    const { name, icon: symbol } = kindOf(feedback);
    const [fromMs, toMs] = feedback.spanMs;
    // What must never be said is told whole by its evidence; there is nothing to measure.
    const measured = feedback.code === "never_say" ? {} : (feedback.parameters ?? {});
    const parameters = Object.entries(measured).map(([key, value]) =>
      element("div", {}, element("dt", {}, words(key)), element("dd", {}, figure(value))),
    );
    return element(
      "li", { class: "card fresh", "data-kind": feedback.kind, "data-severity": feedback.severity, "data-code": feedback.code },
      icon(symbol),
      element("div", {},
        element("p", { class: "kind-name" }, element("span", {}, name), element("time", {}, clock(toMs))),
        element("h3", {}, feedback.message),
      ),
      element("details", {},
        element("summary", {}, text("page.tips.why"), unseen(`: ${feedback.message}`)),
        element("p", {}, feedback.evidence),
        element("dl", { class: "parameters" }, ...parameters, element("div", {}, element("dt", {}, text("page.tips.measured")), element("dd", {}, text("page.tips.span", { start: clock(fromMs), end: clock(toMs) })))),
      ),
    );
  }
}
