// What a practice call is an attempt at: an assignment named by the address (#/new?assignment=ID).

import { get } from "./api.js";
import { attemptsOf, dueIn } from "./assignment.js";
import { byId, element } from "./element.js";
import { notify } from "./notices.js";
import { decimal, text } from "./texts.js";

export class AssignedCall {
  #id = null;
  #assignment = null;

  /** Takes from the address which it is, none where it names none. */
  async take() {
    const [, id = null] = /^#\/new\?assignment=([0-9a-f]{24})$/.exec(location.hash) ?? [];
    this.#id = id;
    this.#assignment = null;
    if (id === null) return;
    try {
      const found = await get(`/assignments/${id}`);
      if (this.#id !== id) return;
      if (found.status === "open") this.#assignment = found;
      else notify("assignment", "warn", text("page.problem.code.closed"));
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (this.#id === id) notify("assignment", "warn", problem.detail);
    }
  }

  /** What a new session says of it. */
  get wanted() {
    return this.#assignment ? { assignmentId: this.#assignment.id } : {};
  }

  /** Shows in the form of a new call what it is for; its kind of call is then given. */
  show() {
    const form = byId("ready-form");
    document.getElementById("assigned-call")?.remove();
    const given = this.#assignment?.sessionType ?? null;
    for (const radio of form.querySelectorAll("input[name=kind]")) {
      radio.disabled = given !== null && radio.value !== given;
      if (radio.value === given) radio.checked = true;
    }
    if (!this.#assignment) return;
    const { title, dueAt, passMark, attemptsAllowed } = this.#assignment;
    const facts = [
      text("page.assignments.is_due", { when: dueIn(dueAt) }),
      text("page.assignments.to_pass", { mark: decimal(passMark, 0) }),
      attemptsAllowed === null ? null : text("page.assignments.attempts_made_of", { attempts: attemptsOf(this.#assignment) }),
    ];
    form.prepend(element(
      "div", { id: "assigned-call", class: "assigned-call" },
      element("div", {}, element("strong", {}, text("page.assignments.for_this", { title })), element("p", {}, facts.filter(Boolean).join(" · "))),
      element("a", { href: "#/" }, text("page.assignments.other_call")),
    ));
  }
}
