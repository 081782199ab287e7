// A form: labelled fields, what is wrong said at them, and sent once at a time.

import { element, icon, setIcon } from "./element.js";
import { allRight } from "./fields.js";
import { language, text } from "./texts.js";

const SECONDS_UP_TO = 90;
/** The fields that codes of Problems are about. */
const ABOUT = { wrong_code: "code", email_taken: "email", weak_password: "new" };

/** An element with the text of `key`, in whatever language comes to be chosen. */
export const written = (tag, key, attributes = {}) => element(tag, { ...attributes, "data-text": key }, text(key));

/**
 * `root` is the <form>. `fields`: see `field`; `submit`: the key of the button's words; `send(values)` is called with
 * the trimmed values by name (passwords as they are) once all are right, and may throw a Problem, which is then shown.
 * `more`: what stands beside the button.
 */
export class Form {
  #fields;
  #inputs = new Map();
  #problem = element("p", { class: "form-problem", role: "alert" });
  #send;
  #isBusy = false;

  constructor({ id, fields, submit, send, more = [], quiet = false }) {
    this.#fields = fields;
    this.#send = send;
    const rows = fields.map((one) => this.#row(id, one));
    const button = written("button", submit, { type: "submit", class: quiet ? null : "primary" });
    this.root = element(
      "form", { id, class: "form", novalidate: true },
      ...rows, this.#problem, element("div", { class: "actions" }, button, ...more),
    );
    this.root.addEventListener("submit", (event) => { event.preventDefault(); void this.#submit(); });
  }

  /** The <input> of this name. */
  input(name) {
    return this.#inputs.get(name);
  }

  /** Puts `values` by name into the fields, and takes away what was said about them. */
  fill(values) {
    for (const [name, value] of Object.entries(values)) this.input(name).value = value;
    allRight(this.root, []);
    this.#problem.textContent = "";
  }

  /** Shows a Problem, at a field where it is about one. */
  tell(problem) {
    const about = [...(problem.errors ?? []), { field: ABOUT[problem.code] }].filter(({ field }) => this.#inputs.has(field));
    const at = problem.code ? about.slice(0, 1) : about;
    const words = (message) => (problem.code || language() !== "en" ? problem.detail : `${message}.`.replace(/\.\.$/, "."));
    if (at.length) allRight(this.root, at.map(({ field, message }) => [this.input(field), words(message)]));
    else this.#problem.textContent = inWords(problem);
  }

  #row(id, { name, label, hint = null, type = "text", value = "", ...more }) {
    const { optional, check, missing, ...attributes } = more;
    const inputId = `${id}-${name}`;
    const describedBy = [hint && `${inputId}-hint`, `${inputId}-error`].filter(Boolean).join(" ");
    const input = element("input", {
      id: inputId, name, type, value, class: "text-input", "aria-describedby": describedBy,
      required: !optional, ...attributes,
    });
    this.#inputs.set(name, input);
    return element(
      "div", { class: "field" },
      written("label", label, { for: inputId }),
      hint && written("p", hint, { class: "hint", id: `${inputId}-hint` }),
      type === "password" ? revealable(input) : input,
      element("p", { class: "error field-error", id: `${inputId}-error`, hidden: true }),
    );
  }

  #values() {
    return Object.fromEntries([...this.#inputs].map(([name, { type, value }]) => [name, type === "password" ? value : value.trim()]));
  }

  async #submit() {
    if (this.#isBusy) return;
    const values = this.#values();
    const wrong = this.#fields.flatMap(({ name, optional, check, missing = "page.form.missing" }) => {
      const key = values[name] === "" ? (optional ? null : missing) : check?.(values[name], values);
      return key ? [[this.input(name), text(key)]] : [];
    });
    this.#problem.textContent = "";
    if (!allRight(this.root, wrong)) return;
    this.#isBusy = true;
    this.root.setAttribute("aria-busy", "true");
    try {
      await this.#send(values);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      this.tell(problem);
    } finally {
      this.#isBusy = false;
      this.root.removeAttribute("aria-busy");
    }
  }
}

/** A Problem's sentence, with when to try again where the node has said so. */
export function inWords({ detail, status, retryAfterS }) {
  // The node's own sentence may have said it already.
  if (!retryAfterS || ![429, 503].includes(status) || /try again in \d/i.test(detail)) return detail;
  const wait = retryAfterS <= SECONDS_UP_TO
    ? text("page.form.wait_seconds", { seconds: retryAfterS })
    : text("page.form.wait_minutes", { minutes: Math.ceil(retryAfterS / 60) });
  return `${detail} ${wait}`;
}

export const isAddress = (value) => (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value) ? null : "page.form.not_an_address");

/** The rules that the node has for new passwords, as far as a page can tell (api/auth/passwords.py). */
export function isLongEnough(value) {
  const letters = [...value.normalize("NFC")].length;
  if (letters < 12) return "page.form.password_short";
  return letters > 128 ? "page.form.password_long" : null;
}

function revealable(input) {
  const button = element("button", { type: "button", class: "reveal", "aria-label": text("page.form.show_password"), "data-text-aria-label": "page.form.show_password", "aria-controls": input.id }, icon("eye"));
  button.addEventListener("click", () => {
    const isShown = input.type === "password";
    const key = isShown ? "page.form.hide_password" : "page.form.show_password";
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-label", text(key));
    button.dataset.textAriaLabel = key;
    setIcon(button.querySelector("svg"), isShown ? "eye-off" : "eye");
  });
  return element("div", { class: "secret" }, input, button);
}
