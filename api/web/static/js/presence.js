// Who is in a call beside the trainee, and how: always in sight, and said when it changes.

import { announce } from "./announce.js";
import { element, icon } from "./element.js";
import { text } from "./texts.js";
import { TRAINEE, wayOf } from "./voices.js";

const ICONS = { partner: "customer", monitor: "headphones", whisper: "whisper", barge: "megaphone" };
const SPEAKING_FOR_MS = 400;
/** Of those who only listen, so many are told by name where there are more. */
const MOST_NAMED = 2;

export class Presence {
  #root;
  #selfId;
  #trainee;
  #people = [];
  #nobody;
  #rows = new Map();
  #quiet = new Map();

  /**
   * Fills the list `root`. `selfId`: whoever looks at it. `trainee`: their name, or null where they themselves look.
   * `nobody`: the key of what is said while nobody is there.
   */
  constructor(root, { selfId, trainee, nobody }) {
    this.#root = root;
    this.#selfId = selfId;
    this.#trainee = trainee;
    this.#nobody = nobody;
    this.#lay();
  }

  get people() {
    return this.#people;
  }

  /** Shows `people` of a `presence` event; `isNews`: what changed is said. */
  show(people, isNews = true) {
    const before = new Map(this.#people.map((person) => [person.personId, wayOf(person)]));
    const left = this.#people.filter(({ personId }) => !people.some((person) => person.personId === personId));
    const changed = people.filter((person) => before.get(person.personId) !== wayOf(person) && person.personId !== this.#selfId);
    this.#people = people;
    this.#lay();
    if (!isNews) return;
    const told = [
      ...changed.map((person) => this.#said(person)),
      ...left.filter(({ personId }) => personId !== this.#selfId).map(({ name }) => text("page.presence.left", { name })),
    ];
    if (told.length) announce(told.join(" "));
  }

  /** Lights whoever speaks on `track`. */
  speaking(track, isSpeaking) {
    const row = this.#rows.get(track);
    if (!row || !isSpeaking) return;
    row.dataset.speaking = "true";
    clearTimeout(this.#quiet.get(track));
    this.#quiet.set(track, setTimeout(() => { row.dataset.speaking = "false"; }, SPEAKING_FOR_MS));
  }

  #lay() {
    this.#rows.clear();
    const silent = this.#people.filter((person) => wayOf(person) === "monitor");
    // Whoever looks finds themselves first.
    const named = silent.toSorted((a, b) => (b.personId === this.#selfId) - (a.personId === this.#selfId)).slice(0, silent.length > MOST_NAMED + 1 ? MOST_NAMED : silent.length);
    const rows = [...this.#people.filter((person) => wayOf(person) !== "monitor"), ...named].map((person) => this.#row(person));
    const more = silent.filter((person) => !named.includes(person));
    if (more.length) {
      const chip = this.#chip(null, "monitor", "headphones", text("page.presence.more", { count: more.length }));
      chip.title = more.map(({ name }) => name).join(", ");
      rows.push(chip);
    }
    if (this.#trainee !== null) rows.unshift(this.#chip(TRAINEE, "trainee", "person", text("page.presence.trainee", { name: this.#trainee })));
    if (!this.#people.length) rows.push(element("li", { class: "nobody" }, text(this.#nobody)));
    this.#root.replaceChildren(...rows);
  }

  #row(person) {
    const way = wayOf(person);
    return this.#chip(person.track, way, ICONS[way], this.#said(person));
  }

  #chip(track, way, symbol, said) {
    const row = element("li", { class: "person", "data-way": way, "data-track": track, "data-speaking": "false" }, icon(symbol), element("span", {}, said));
    if (track) this.#rows.set(track, row);
    return row;
  }

  #said(person) {
    const way = wayOf(person);
    const { name } = person;
    const trainee = this.#trainee;
    if (person.personId === this.#selfId) return text(`page.presence.self.${way}`, { trainee: trainee ?? "" });
    return way === "whisper" && trainee !== null ? text("page.presence.whisper_to", { name, trainee }) : text(`page.presence.${way}`, { name });
  }
}
