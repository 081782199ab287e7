// Questions that stand before everything else: to fill in, or to be sure.

import { element, icon } from "./element.js";
import { inWords as told } from "./form.js";
import { text } from "./texts.js";

let made = 0;

/** A window before the page: Escape and its cross close it, and the focus goes back to where it came from. */
export class Dialog {
  #root;
  #problem = element("p", { class: "error", role: "alert" });
  #said = element("p", { class: "said", role: "status" });
  #opener = null;
  #isBusy = false;

  /** `content`: what is between the title and the buttons. */
  constructor(title, ...content) {
    made += 1;
    const id = `dialog-${made}`;
    this.#root = element(
      "dialog", { "aria-labelledby": id, class: "dialog" },
      element("div", { class: "dialog-head" },
        element("h2", { id, tabindex: "-1" }, title),
        element("button", { type: "button", class: "plain-icon", "aria-label": text("page.dialog.close"), onclick: () => this.close() }, icon("cross"))),
      this.#problem,
      this.#said,
      ...content,
    );
    this.#root.addEventListener("close", () => this.#closed());
  }

  /** Opens; resolves when it is closed again. */
  open() {
    this.#opener = document.activeElement;
    document.body.append(this.#root);
    this.#root.showModal();
    (this.#root.querySelector("[autofocus]") ?? this.#root.querySelector("h2")).focus();
    return new Promise((resolve) => { this.#root.addEventListener("close", resolve, { once: true }); });
  }

  close() {
    this.#root.close();
  }

  /** Says another title. */
  title(words) {
    this.#root.querySelector("h2").textContent = words;
  }

  /** Puts `content` in the place of what was there before. */
  replace(...content) {
    while (this.#said.nextSibling) this.#said.nextSibling.remove();
    this.#root.append(...content);
  }

  /** Runs `work()` once at a time; what it throws is told in the dialog. Whether it went well. */
  async run(work) {
    if (this.#isBusy) return false;
    this.#isBusy = true;
    this.#root.setAttribute("aria-busy", "true");
    this.tell("");
    try {
      await work();
      return true;
    } catch (problem) {
      this.tell(inWords(problem));
      return false;
    } finally {
      this.#isBusy = false;
      this.#root.removeAttribute("aria-busy");
    }
  }

  /** Says what went wrong. */
  tell(problem) {
    this.#said.textContent = "";
    this.#problem.textContent = problem;
  }

  /** Says what was done. */
  say(words) {
    this.#problem.textContent = "";
    this.#said.textContent = words;
  }

  /** Puts the focus on what has this id, or on the title. */
  focus(id) {
    (this.#root.querySelector(`#${CSS.escape(id || "none")}`) ?? this.#root.querySelector("h2")).focus();
  }

  #closed() {
    this.#root.remove();
    // Shown afresh meanwhile, what opened this is another element of the same id.
    const again = this.#opener?.isConnected ? this.#opener : document.getElementById(this.#opener?.id);
    (again ?? document.querySelector("main h1"))?.focus();
  }
}

/** A refusal as people read it. */
export function inWords(problem) {
  if (problem.status === 412) return text("page.problem.stale");
  return problem.detail ? told(problem) : problem.message;
}

/**
 * Asks whether to do `action`, which `run()` does; whether it was done. `typed`: what has to be typed first, so that
 * nothing is lost by a slip.
 */
export async function confirmed({ title, says, action, run, typed = null, isDanger = true }) {
  let isDone = false;
  const input = typed === null ? null : element("input", { type: "text", class: "text-input", name: "typed", id: "typed", autocomplete: "off", autocapitalize: "off", spellcheck: "false", autofocus: true, "aria-describedby": "typed-error" });
  const error = element("p", { class: "error", id: "typed-error", hidden: true }, text("page.dialog.type_exactly"));
  const form = element(
    "form", { novalidate: true },
    ...[says].flat().map((each) => element("p", {}, each)),
    input && element("div", { class: "field" }, element("label", { for: "typed" }, text("page.dialog.type", { words: typed })), input, error),
    element("div", { class: "actions" },
      element("button", { type: "submit", class: isDanger ? "primary danger-solid" : "primary" }, action),
      element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))),
  );
  const dialog = new Dialog(title, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (input && input.value.trim().toLowerCase() !== typed.toLowerCase()) {
      error.hidden = false;
      input.setAttribute("aria-invalid", "true");
      input.focus();
      return;
    }
    isDone = await dialog.run(run);
    if (isDone) dialog.close();
  });
  await dialog.open();
  return isDone;
}
