// A field to write in, where an @ offers the people who may read it.

import { element } from "./element.js";
import { text } from "./texts.js";

const OFFERED = 6;
const ASKED = /(?:^|\s)@([^\s@]{0,40})$/u;
let made = 0;

export class MentionField {
  #people;
  #field;
  #list;
  #shown = [];
  #at = 0;

  /** `people()` resolves with [{id, name, role}]; `label`: the field's name. */
  constructor(people, { label, value = "", rows = 2 }) {
    made += 1;
    const id = `mention-${made}`;
    this.#people = people;
    this.#list = element("ul", { class: "mentions", id, role: "listbox", "aria-label": text("page.replay.mention"), hidden: true });
    this.#field = element("textarea", { class: "text-input", rows, maxlength: 2000, "aria-label": label, "aria-autocomplete": "list", "aria-controls": id });
    this.#field.value = value;
    this.#field.addEventListener("input", () => void this.#offer());
    this.#field.addEventListener("keydown", (event) => this.#key(event));
    this.#field.addEventListener("blur", () => setTimeout(() => this.#close(), 150));
    this.root = element("div", { class: "mention-field" }, this.#field, this.#list);
  }

  get field() { return this.#field; }
  get value() { return this.#field.value.trim(); }

  set value(value) { this.#field.value = value; }

  /** The ids of those who are named. */
  async mentions() {
    if (!this.value.includes("@")) return [];
    return (await this.#people()).filter(({ name }) => this.value.includes(`@${name}`)).map(({ id }) => id).slice(0, 10);
  }

  async #offer() {
    const asked = ASKED.exec(this.#field.value.slice(0, this.#field.selectionStart));
    if (!asked) return this.#close();
    const start = asked[1].toLowerCase();
    const people = await this.#people();
    this.#shown = people.filter(({ name }) => name.toLowerCase().split(/\s+/).some((part) => part.startsWith(start))).slice(0, OFFERED);
    this.#at = 0;
    if (!this.#shown.length) return this.#close();
    this.#list.replaceChildren(...this.#shown.map(({ name, role }, index) => element(
      "li", { role: "option", id: `${this.#list.id}-${index}`, "aria-selected": String(index === 0), onpointerdown: (event) => { event.preventDefault(); this.#take(index); } },
      element("strong", {}, name), element("small", {}, role ? text(`page.role.${role}`) : ""))));
    this.#list.hidden = false;
    this.#field.setAttribute("aria-activedescendant", `${this.#list.id}-0`);
    return undefined;
  }

  #key(event) {
    if (this.#list.hidden) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) {
      event.preventDefault();
      this.#at = (this.#at + by + this.#shown.length) % this.#shown.length;
      for (const [index, row] of [...this.#list.children].entries()) row.setAttribute("aria-selected", String(index === this.#at));
      this.#field.setAttribute("aria-activedescendant", `${this.#list.id}-${this.#at}`);
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      this.#take(this.#at);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    }
  }

  #take(index) {
    const { value, selectionStart } = this.#field;
    const before = value.slice(0, selectionStart).replace(/@[^\s@]*$/u, `@${this.#shown[index].name} `);
    this.#field.value = before + value.slice(selectionStart);
    this.#field.setSelectionRange(before.length, before.length);
    this.#close();
    this.#field.focus();
  }

  #close() {
    this.#list.hidden = true;
    this.#field.removeAttribute("aria-activedescendant");
  }
}
