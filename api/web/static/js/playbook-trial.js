// A typed sentence and what a playbook makes of it, as if it were said in a call.

import { post } from "./api.js";
import { inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { allRight } from "./fields.js";
import { nameOf } from "./kind.js";
import { card } from "./playbook-preview.js";
import { badge } from "./table.js";
import { decimal, text } from "./texts.js";

const KINDS = ["pitch", "objection", "closing"];
const SPEAKERS = ["customer", "salesperson"];

export class Trial {
  #written;
  #found = byId("trial-found");
  #turn = 0;

  /** `written()`: {source, domainWords, language} of the playbook that is tried. */
  constructor(written) {
    this.#written = written;
    byId("trial-form").addEventListener("submit", (event) => { event.preventDefault(); void this.#try(); });
    byId("sentence").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      void this.#try();
    });
  }

  /** What the fields offer, in the page's language. */
  offer() {
    const choices = (id, options) => {
      const { value } = byId(id);
      byId(id).replaceChildren(...options.map(([each, words]) => element("option", { value: each }, words)));
      if (value) byId(id).value = value;
    };
    choices("speaker", SPEAKERS.map((speaker) => [speaker, text(`page.versions.try.by.${speaker}`)]));
    choices("trial-kind", KINDS.map((kind) => [kind, nameOf(kind)]));
  }

  clear() {
    this.#turn += 1;
    byId("sentence").value = "";
    this.#found.replaceChildren();
  }

  async #try() {
    const sentence = byId("sentence").value.trim();
    if (!allRight(byId("trial-form"), sentence ? [] : [[byId("sentence"), text("page.versions.try.missing")]])) return;
    this.#turn += 1;
    const turn = this.#turn;
    const { source, domainWords, language } = this.#written();
    this.#found.setAttribute("aria-busy", "true");
    try {
      const found = await post("/playbooks/try", { source, domainWords, sentence, speaker: byId("speaker").value, sessionType: byId("trial-kind").value });
      if (turn === this.#turn) this.#show(sentence, found, language);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (turn === this.#turn) this.#found.replaceChildren(element("p", { class: "error" }, inWords(problem)));
    } finally {
      if (turn === this.#turn) this.#found.removeAttribute("aria-busy");
    }
  }

  #show(sentence, { stages, mustSay, neverSay, objections, corrected, judgedBy }, language) {
    const rows = [
      ...stages.map(({ title }) => hit("good", "page.versions.try.stage", title, language)),
      ...mustSay.map(({ title }) => hit("good", "page.versions.try.must_say", title, language)),
      ...neverSay.map((never) => warned(never, language)),
      ...objections.map((one) => objected(one, language, judgedBy)),
    ];
    const isChanged = corrected !== sentence.split(/\s+/).join(" ");
    this.#found.replaceChildren(
      ...(isChanged ? [element("p", { class: "corrected" }, element("span", { class: "legend" }, text("page.versions.try.corrected")), element("q", { lang: language }, corrected))] : []),
      rows.length ? element("ul", { class: "hits" }, ...rows) : element("p", { class: "empty-state" }, text("page.versions.try.nothing")),
      ...(judgedBy === "phrases" ? [element("p", { class: "legend" }, text("page.versions.try.phrases"))] : []),
    );
  }
}

const hit = (tone, key, title, language) => element("li", {}, badge(tone, text(key)), element("strong", { lang: language }, title));

function warned({ title, reason, instead }, language) {
  return element(
    "li", {}, badge("bad", text("page.versions.try.never_say")), element("strong", { lang: language }, title),
    element("p", { class: "legend", lang: language }, reason),
    element("p", {}, element("span", { class: "instead" }, text("page.versions.preview.instead")), " ", element("span", { lang: language }, instead)),
  );
}

// Phrases are there or not: only a likeness has a margin.
function objected({ code, title, margin, card: shown }, language, judgedBy) {
  return element(
    "li", {}, badge(shown ? "warn" : "plain", text(shown ? "page.versions.try.objection" : "page.versions.try.perhaps")),
    element("strong", { lang: language }, title),
    judgedBy === "phrases" ? null : element("span", { class: "legend" }, text("page.versions.try.margin", { margin: decimal(margin, 2) })),
    shown ? card({ code, title: shown.title, card: shown }, language, true) : null,
  );
}
