// The playbook during a call: stages, what must be said, and a card when the customer objects.

import { announce } from "./announce.js";
import { byId, element, icon, unseen } from "./element.js";
import { clock } from "./moment.js";
import { advice, tick } from "./objection.js";
import { playbookOf } from "./playbook.js";
import { text } from "./texts.js";

const SHOWN_MS = 45_000;
const READING_MS = 5_000;

export class Guide {
  #now;
  #live = byId("live");
  #panel = byId("playbook-panel");
  #slot = byId("slot");
  #perhaps = byId("perhaps");
  #playbook = null;
  #heard = null;
  #waiting = [];
  #rows = new Map();
  #card = null;
  #expiry = { card: 0, perhaps: 0 };

  /** `now()`: the call's time in ms. */
  constructor(now) {
    this.#now = now;
  }

  /** Shows the playbook of `session`, if it has one. `heard`: what the record of the call knows of it. */
  async start(session, heard) {
    this.stop();
    this.#playbook = null;
    this.#heard = heard;
    this.#waiting = [];
    // Its place is kept from the start, so that nothing moves when the node has told it.
    this.#show(Boolean(session.playbook));
    const playbook = await playbookOf(session);
    if (this.#heard !== heard) return;
    this.#show(playbook !== null);
    if (!playbook) return;
    this.#playbook = playbook;
    this.#rows = new Map();
    byId("stages").lang = playbook.language;
    byId("stages").replaceChildren(...playbook.stages.map((stage) => this.#row("stage", stage, element("li", {}, tick(false), stage.title))));
    byId("must-says").lang = playbook.language;
    byId("must-says").replaceChildren(...playbook.mustSays.map((one) => this.#row("mustSay", one, mustSay(one))));
    byId("must-says").hidden = !playbook.mustSays.length;
    this.#tick();
    for (const found of this.#waiting.splice(0)) this.#object(found);
  }

  /** `found`: what an event said of objections, or null. */
  event(found) {
    if (this.#playbook) this.#tick();
    if (!found) return;
    if (this.#playbook) this.#object(found);
    else this.#waiting = [found];
  }

  /** Takes away what is only for now. */
  stop() {
    this.#close("card");
    this.#close("perhaps");
  }

  /** Closes the card, or the suggestion where there is no card. */
  dismiss() {
    this.#close(this.#card ? "card" : "perhaps");
  }

  #show(is) {
    this.#live.classList.toggle("has-playbook", is);
    this.#panel.hidden = !is;
    byId("stages").hidden = !is;
    byId("stages").replaceChildren();
    byId("must-says").replaceChildren();
  }

  #row(kind, { code }, row) {
    this.#rows.set(`${kind} ${code}`, row);
    return row;
  }

  #tick() {
    for (const [kind, codes] of [["stage", this.#heard.stages], ["mustSay", this.#heard.mustSays]]) {
      for (const code of codes.keys()) {
        const row = this.#rows.get(`${kind} ${code}`);
        if (!row || row.dataset.done) continue;
        row.dataset.done = "true";
        row.querySelector(".tick").replaceWith(tick(true));
      }
    }
  }

  #object({ card, sure, perhaps, atMs, endMs }) {
    const leftMs = SHOWN_MS - (this.#now() - endMs);
    if (leftMs <= 0) return;
    if (this.#card && [sure, ...perhaps].includes(this.#card.code)) this.#expire("card", leftMs);
    const known = (code) => this.#playbook.objection(code) && code !== this.#card?.code;
    // What was asserted before and closed since stays closed while the node sends no card.
    if (card !== null && known(card)) this.#open(card, atMs, leftMs);
    else if (sure === null) this.#suggest(perhaps.filter(known), leftMs);
  }

  #open(code, atMs, leftMs) {
    const { title, say } = this.#place(code, atMs, leftMs);
    this.#say(text("page.playbook.spoken", { title, say }));
  }

  // Returns what it shows. A card takes the place of the one before and of a guess.
  #place(code, atMs, leftMs) {
    const { language } = this.#playbook;
    const { card } = this.#playbook.objection(code);
    const close = element("button", { type: "button", class: "close", "aria-keyshortcuts": "X", onclick: () => this.dismiss() }, icon("cross"), unseen(text("page.playbook.close")));
    const shown = element(
      "section", { class: "objection", "data-code": code, "aria-labelledby": "objection-title", tabindex: -1 },
      element("div", { class: "objection-head" },
        element("div", {},
          element("p", { class: "kind-name" }, text("page.playbook.objection"), " ", element("time", {}, clock(atMs))),
          element("h3", { id: "objection-title", lang: language }, card.title),
        ),
        close,
      ),
      advice(card, language),
    );
    this.#close("perhaps");
    this.#close("card");
    this.#slot.prepend(shown);
    this.#panel.dataset.card = "true";
    this.#card = { code, shown };
    this.#expire("card", leftMs);
    return card;
  }

  // One line, with a way to the card of each: nothing is asserted, and no card opens by itself.
  #suggest(codes, leftMs) {
    if (!codes.length) return;
    this.#expire("perhaps", leftMs);
    // The same again stays as it is, and with it the focus.
    if (this.#panel.dataset.perhaps === String(codes)) return;
    const { language } = this.#playbook;
    const titleOf = (code) => this.#playbook.objection(code).card.title;
    const choose = (code) => {
      this.#place(code, this.#now(), SHOWN_MS);
      this.#card.shown.focus();
    };
    const buttons = codes.map((code) => element("button", { type: "button", lang: language, "data-code": code, onclick: () => choose(code) }, titleOf(code)));
    this.#perhaps.replaceChildren(
      element("span", {}, text("page.playbook.perhaps")),
      ...buttons.flatMap((button, index) => (index ? [element("span", {}, text("page.playbook.or")), button] : [button])),
    );
    this.#perhaps.hidden = false;
    this.#panel.dataset.perhaps = String(codes);
    this.#say(`${text("page.playbook.perhaps")} ${codes.map(titleOf).join(` ${text("page.playbook.or")} `)}?`);
  }

  #say(told) {
    if (!byId("playbook-body").hidden) announce(told);
  }

  #expire(which, leftMs) {
    clearTimeout(this.#expiry[which]);
    this.#expiry[which] = setTimeout(() => {
      // Nothing goes away under the eyes of somebody who has it in hand.
      if (this.#shown(which)?.matches(":hover, :focus-within")) this.#expire(which, READING_MS);
      else this.#close(which);
    }, leftMs);
  }

  #shown(which) {
    return which === "card" ? this.#card?.shown : this.#perhaps;
  }

  #close(which) {
    clearTimeout(this.#expiry[which]);
    // The focus must not fall to the top of the page with what held it.
    if (this.#shown(which)?.contains(document.activeElement)) this.#slot.focus();
    delete this.#panel.dataset[which];
    if (which === "card") {
      this.#card?.shown.remove();
      this.#card = null;
    } else {
      this.#perhaps.replaceChildren();
      this.#perhaps.hidden = true;
    }
  }
}

function mustSay({ title, why }) {
  return element(
    "li", {},
    element("details", {}, element("summary", {}, tick(false), element("span", {}, title), icon("info"), unseen(` ${text("page.playbook.why")}`)), element("p", {}, why)),
  );
}
