// What a list is narrowed to: fields whose values stand in the address, so that a reload and a link show the same.

import { byId, element } from "./element.js";
import { text } from "./texts.js";

export class Filters {
  #form = byId("filters");
  #changed;

  /** `changed()` is told of every change. Reads the address first. */
  constructor(changed) {
    this.#changed = changed;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("change", () => this.#take());
    byId("filters-reset").addEventListener("click", () => this.reset());
    // On a phone the list comes first.
    byId("filters-box").open = !matchMedia("(max-width: 40rem)").matches || this.#set().length > 0;
  }

  /** Takes from the address what the fields offer; after their options are known. */
  recall() {
    const asked = new URLSearchParams(location.search);
    for (const field of this.#fields()) {
      const value = asked.get(field.name);
      if (value === null) continue;
      field.value = value;
      // A choice that is not offered leaves nothing chosen.
      if (field.value !== value) field.value = "";
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
    }
    this.#count();
  }

  /** The values that are set, by field. */
  get values() {
    return Object.fromEntries(this.#set().map(({ name, value }) => [name, value.trim()]));
  }

  /** Sets one field. */
  set(name, value) {
    this.#form.elements[name].value = value;
    this.#take();
  }

  reset() {
    for (const field of this.#fields()) {
      if (field.tagName === "SELECT") field.selectedIndex = 0;
      else field.value = "";
    }
    this.#take();
  }

  /** Offers `options` ([value, words], or [group, options]) in the field `name`; keeps what was chosen. */
  offer(name, options) {
    const select = this.#form.elements[name];
    const { value } = select;
    const option = ([each, words]) => (Array.isArray(words)
      ? words.length && element("optgroup", { label: each }, ...words.map(option))
      : element("option", { value: each }, words));
    select.replaceChildren(...options.map(option).filter(Boolean));
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  #fields() {
    return [...this.#form.elements].filter(({ name }) => name);
  }

  #set() {
    return this.#fields().filter(({ name, value }) => name && value.trim());
  }

  #take() {
    this.#count();
    const query = new URLSearchParams(this.values).toString();
    history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
    this.#changed();
  }

  #count() {
    // The order is no filter, and its first choice the usual one.
    const count = this.#set().filter(({ name }) => name !== "sort").length;
    const name = text(this.#form.elements.sort ? "page.list.filters" : "page.list.filters_only");
    byId("filters-count").textContent = count ? text("page.list.filters_set", { name, count }) : name;
    byId("filters-reset").hidden = count === 0;
  }
}

/** A day as a date field tells it ("2026-11-23") -> when it begins here, as an ISO time; `after`: so many days later. */
export function dayBegins(day, after = 0) {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + after).toISOString();
}
