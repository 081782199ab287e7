// After a call: how far it went through its playbook, with the moments that show it.

import { byId, element, icon, unseen } from "./element.js";
import { clock } from "./moment.js";
import { advice, tick } from "./objection.js";
import { playbookOf } from "./playbook.js";
import { text } from "./texts.js";

export class Covered {
  #turn = 0;

  /** Shows what of the playbook of `session` was `heard`; `play(ms)` plays a moment, or is null without a recording. */
  async show(session, heard, play) {
    this.hide();
    const turn = this.#turn;
    const playbook = await playbookOf(session);
    if (turn !== this.#turn || !playbook) return;
    byId("covered-columns").replaceChildren(
      column("stages", playbook.stages.map((one) => row(one, heard.stages.get(one.code), play)), playbook),
      playbook.mustSays.length ? column("must_say", playbook.mustSays.map((one) => row(one, heard.mustSays.get(one.code), play, one.why)), playbook) : "",
      column("objections", objections(playbook, heard, play), playbook),
    );
    byId("covered").hidden = false;
  }

  hide() {
    this.#turn += 1;
    byId("covered").hidden = true;
    byId("covered-columns").replaceChildren();
  }
}

function column(name, rows, { language }) {
  const list = rows.length ? element("ol", { lang: language }, ...rows) : element("p", { class: "empty" }, text("page.playbook.none_heard"));
  return element("section", { "data-part": name }, element("h3", {}, text(`page.playbook.${name}`)), list);
}

// What was left out tells why it matters, where the playbook says so.
function row({ title }, atMs, play, why = "") {
  const isDone = atMs !== undefined;
  return element(
    "li", { "data-done": isDone ? "true" : null },
    tick(isDone),
    element("p", {}, title, why && !isDone ? element("small", {}, why) : null),
    isDone ? at(title, atMs, play) : null,
  );
}

function objections(playbook, heard, play) {
  return heard.objections.filter(([code]) => playbook.objection(code)).map(([code, { sure, perhaps }]) => {
    const { title, card } = playbook.objection(code);
    const guess = sure.length ? null : element("small", { lang: document.documentElement.lang }, text("page.playbook.perhaps"), " ");
    return element(
      "li", { "data-code": code },
      element("details", {}, element("summary", {}, guess, title), advice(card, playbook.language)),
      element("div", { class: "when" }, ...(sure.length ? sure : perhaps).map((ms) => at(title, ms, play))),
    );
  });
}

function at(what, atMs, play) {
  if (!play) return element("span", { class: "at" }, clock(atMs));
  return element("button", { type: "button", class: "at", onclick: () => play(atMs) }, icon("play"), unseen(`${text("page.summary.play", { what })} `), clock(atMs));
}
