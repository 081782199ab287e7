// The playbook that a call is held with, as the node tells it: stages, what must be said, objections.

import { playbook as fetchPlaybook } from "./api.js";

const AGAIN_MS = 60_000;

/** The playbook of `session`, or null: of a call without one, and, told in the console, of one that cannot be had. */
export async function playbookOf({ playbook: used, sessionType }) {
  if (!used) return null;
  try {
    return new Playbook(await fetchPlaybook(used.digest), sessionType);
  } catch (problem) {
    console.warn("The call's playbook is not shown:", problem);
    return null;
  }
}

/** What of a playbook concerns calls of one kind. Its titles are written in `language`. */
class Playbook {
  #objections;

  constructor({ title, language, stages, mustSay, objections }, sessionType) {
    this.title = title;
    this.language = language;
    this.stages = stages[sessionType] ?? [];
    this.mustSays = mustSay.filter(({ sessions }) => sessions.includes(sessionType));
    this.#objections = new Map(objections.map((one) => [one.code, one]));
  }

  /** {code, title, card} of an objection; undefined for a code of another playbook. */
  objection(code) {
    return this.#objections.get(code);
  }
}

/** What of a playbook was heard in a call, from its `playbook` events in order; times in session ms. */
export class Heard {
  stages = new Map();
  mustSays = new Map();
  #asserted = new Map();
  #objections = new Map();

  /**
   * Takes an event in; returns what it says of objections, or null: {card, sure, perhaps, atMs, endMs}. `card`: the
   * code of a card to show now; `sure`: of the objection that was heard; else `perhaps`: of what it may have been.
   * The node shows a card once a minute: the same objection within it is the same again, not a guess.
   */
  apply(t, { stage = null, mustSay = null, objections = [], card = null, spanMs = null }) {
    const [atMs, endMs] = spanMs ?? [t, t];
    if (stage !== null && !this.stages.has(stage)) this.stages.set(stage, atMs);
    if (mustSay !== null && !this.mustSays.has(mustSay)) this.mustSays.set(mustSay, atMs);
    if (!objections.length) return null;
    const [{ code: likeliest }] = objections;
    const isAgain = endMs - (this.#asserted.get(likeliest) ?? -AGAIN_MS) < AGAIN_MS;
    if (card !== null) this.#asserted.set(card, endMs);
    const sure = card ?? (isAgain ? likeliest : null);
    const known = this.#objections.get(sure ?? likeliest) ?? { sure: [], perhaps: [] };
    this.#objections.set(sure ?? likeliest, known);
    known[sure === null ? "perhaps" : "sure"].push(atMs);
    return { card, sure, perhaps: sure === null ? objections.map(({ code }) => code) : [], atMs, endMs };
  }

  /** Every objection in the order heard: [code, {sure: times, perhaps: times of guesses}]. */
  get objections() {
    return [...this.#objections];
  }
}
