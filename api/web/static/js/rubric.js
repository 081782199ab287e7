// The scorecard of a call: a score and a reason for each criterion; a draft, then published to the trainee.

import { get, post, put } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { dateAndTime } from "./moment.js";
import { notify } from "./notices.js";
import { badge } from "./table.js";
import { decimal, text } from "./texts.js";

const MOST = 5;
const STEPS = [...Array(MOST + 1).keys()];

/** The weighted mean of what is scored, 0 to 100; null where nothing is. */
export function totalOf(criteria) {
  const scored = criteria.filter(({ score }) => score !== null && score !== undefined);
  const weight = scored.reduce((sum, one) => sum + one.weight, 0);
  return weight ? (scored.reduce((sum, one) => sum + one.weight * one.score, 0) / weight) * (100 / MOST) : null;
}

export class Rubric {
  #root = byId("rubric");
  #id = null;
  #card = null;
  #criteria = [];
  #comment = "";
  #total = null;
  #isChanged = false;

  /** Shows that of session `id`; who `mayWrite` gets a form, others what is published. */
  async show(id, mayWrite) {
    this.#id = id;
    this.#isChanged = false;
    this.#root.replaceChildren(element("p", { class: "empty" }, text("page.list.loading")));
    try {
      this.#card = await orNull(get(`/sessions/${id}/scorecard`));
      const proposal = mayWrite ? await orNull(get(`/sessions/${id}/scorecard/proposal`)) : null;
      if (id !== this.#id) return;
      if (mayWrite) this.#form(proposal?.criteria ?? []);
      else this.#read();
    } catch (problem) {
      if (id === this.#id) this.#root.replaceChildren(element("p", { class: "empty" }, inWords(problem)));
    }
  }

  // read

  #read() {
    const card = this.#card;
    if (card?.status !== "published") {
      this.#root.replaceChildren(element("p", { class: "empty" }, text("page.rubric.none")));
      return;
    }
    this.#root.replaceChildren(
      element("div", { class: "rubric-total" }, total(card.total), element("p", { class: "hint" }, text("page.rubric.published_by", { name: card.authorName ?? "", when: dateAndTime(card.publishedAt) }))),
      element("ol", { class: "criteria" }, ...card.criteria.map(({ title, score, reason, weight }) => element(
        "li", { class: "criterion" },
        element("div", { class: "criterion-head" }, element("h3", {}, title), element("small", {}, text("page.rubric.weight", { weight })), scored(score)),
        reason ? element("p", {}, reason) : null))),
      card.comment ? element("blockquote", { class: "rubric-comment" }, element("p", {}, card.comment)) : "",
    );
  }

  // write

  #form(proposed) {
    const card = this.#card;
    const why = new Map(proposed.map((one) => [one.code, one]));
    this.#criteria = (card?.criteria ?? proposed).map((one) => {
      const suggestion = why.get(one.code) ?? {};
      return { code: one.code, title: one.title, weight: one.weight, proposed: one.proposed ?? suggestion.proposed ?? null, why: suggestion.why ?? "", score: card ? one.score : suggestion.proposed ?? null, reason: one.reason ?? "" };
    });
    this.#comment = card?.comment ?? "";
    this.#total = element("div", { class: "rubric-total", role: "status" });
    const comment = element("textarea", { class: "text-input", id: "rubric-comment", rows: 3, maxlength: 2000, oninput: () => { this.#comment = comment.value; this.#changed(); } });
    comment.value = this.#comment;
    const form = element(
      "form", { class: "rubric-form", novalidate: true },
      this.#state(), this.#total,
      ...this.#criteria.map((one) => this.#criterion(one)),
      element("div", { class: "field" }, element("label", { for: "rubric-comment" }, text("page.rubric.comment")), comment),
      element("div", { class: "actions rubric-actions" },
        element("button", { type: "submit", class: card?.status === "published" ? "primary" : null, id: "rubric-save" }, text(card?.status === "published" ? "page.rubric.save_published" : "page.rubric.save")),
        card?.status === "published" ? null : element("button", { type: "button", class: "primary", id: "rubric-publish", onclick: () => void this.#publish() }, text("page.rubric.publish"))),
    );
    form.addEventListener("submit", (event) => { event.preventDefault(); void this.#save(); });
    this.#root.replaceChildren(form);
    this.#sum();
  }

  #state() {
    const { status = null, publishedAt = null } = this.#card ?? {};
    if (status === "published") return element("p", { class: "rubric-state" }, badge("good", text("page.rubric.published")), " ", element("span", { class: "hint" }, dateAndTime(publishedAt)));
    if (status === "draft") return element("p", { class: "rubric-state" }, badge("warn", text("page.rubric.draft")), " ", element("span", { class: "hint" }, text("page.rubric.draft_hint")));
    return element("p", { class: "rubric-state" }, badge("info", text("page.rubric.proposed_state")), " ", element("span", { class: "hint" }, text("page.rubric.proposed_hint")));
  }

  #criterion(one) {
    const name = `criterion-${one.code}`;
    const reason = element("textarea", { class: "text-input", id: `${name}-reason`, rows: 2, maxlength: 2000, oninput: () => { one.reason = reason.value; this.#changed(); } });
    reason.value = one.reason;
    const radios = STEPS.map((step) => element(
      "label", { class: "scale-step" },
      element("input", { type: "radio", name, value: step, checked: one.score === step, onchange: () => { one.score = step; this.#changed(); this.#sum(); } }),
      element("span", {}, String(step))));
    const hint = one.proposed === null ? "" : text("page.rubric.proposed", { score: one.proposed, why: one.why });
    return element(
      "fieldset", { class: "criterion" },
      element("legend", {}, one.title, " ", element("small", {}, text("page.rubric.weight", { weight: one.weight }))),
      element("div", { class: "scale" }, ...radios),
      hint ? element("p", { class: "hint" }, hint) : null,
      element("label", { class: "unseen", for: `${name}-reason` }, text("page.rubric.reason_of", { title: one.title })),
      reason,
    );
  }

  #changed() { this.#isChanged = true; }

  #sum() {
    this.#total.replaceChildren(total(totalOf(this.#criteria)));
  }

  get #body() {
    return { criteria: this.#criteria.map(({ code, score, reason }) => ({ code, score, reason: reason.trim() || null })), comment: this.#comment.trim() || null };
  }

  async #store() {
    this.#card = await put(`/sessions/${this.#id}/scorecard`, this.#body, { version: this.#card?.version ?? null });
    this.#isChanged = false;
  }

  async #save() {
    try {
      await this.#store();
      notify("rubric", "good", text("page.rubric.saved"));
      await this.show(this.#id, true);
    } catch (problem) {
      await this.#refused(problem);
    }
  }

  async #publish() {
    if (this.#criteria.every(({ score }) => score === null)) {
      notify("rubric", "warn", text("page.rubric.nothing_scored"));
      return;
    }
    const isDone = await confirmed({
      title: text("page.rubric.publish_title"), says: text("page.rubric.publish_what"), action: text("page.rubric.publish"), isDanger: false,
      run: async () => {
        if (this.#isChanged || !this.#card) await this.#store();
        this.#card = await post(`/sessions/${this.#id}/scorecard/publish`);
      },
    });
    if (!isDone) return;
    notify("rubric", "good", text("page.rubric.published_now"));
    await this.show(this.#id, true);
  }

  async #refused(problem) {
    notify("rubric", problem.status === 412 ? "warn" : "bad", inWords(problem));
    if (problem.status === 412 || problem.status === 428) await this.show(this.#id, true);
  }
}

const scored = (score) => element("span", { class: "criterion-score" }, score === null || score === undefined ? "–" : text("page.rubric.score", { score }));

function total(value) {
  if (value === null || value === undefined) return element("p", { class: "total-none" }, text("page.rubric.no_total"));
  return element("p", {}, element("span", { class: "total-value" }, decimal(value, 0)), " ", element("small", {}, text("page.rubric.total")));
}

async function orNull(asked) {
  try {
    return await asked;
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}
