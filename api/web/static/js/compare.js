// A call beside the ones before it: what changed.

import { get } from "./api.js";
import { inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { nameOf as kindName } from "./kind.js";
import { clock, shortly, signed } from "./moment.js";
import { decimal, text } from "./texts.js";

const BEFORE = 5;
const SCORES = ["confidence", "clarity", "pace", "volume"];
/** [name, decimals, whether more is better; null where neither is]. */
const QUANTITIES = [
  ["rateWpm", 0, null], ["fillersPer100Words", 1, false], ["longestPauseMs", 0, false], ["longestMonologueMs", 0, null],
  ["questions", 0, true], ["talkSharePct", 0, null],
];

const isKnown = (value) => value !== null && value !== undefined;
const mean = (values) => (values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null);

export class Compare {
  #root = byId("compare");
  #id = null;

  /** Shows `session` beside the last calls of the same person before it. */
  async show(session) {
    this.#id = session.id;
    this.#root.replaceChildren(element("p", { class: "empty" }, text("page.list.loading")));
    try {
      const { items } = await get("/sessions", { userId: session.userId, status: "completed", startedBefore: session.startTime, sort: "-startTime", limit: BEFORE });
      if (this.#id !== session.id) return;
      const before = items.filter(({ id }) => id !== session.id);
      this.#root.replaceChildren(...(before.length ? [table(session, before), list(before)] : [element("p", { class: "empty" }, text("page.compare.none"))]));
    } catch (problem) {
      if (this.#id === session.id) this.#root.replaceChildren(element("p", { class: "empty" }, inWords(problem)));
    }
  }
}

function rows(session, before) {
  const scores = SCORES.map((name) => ({ name: text(`page.score.${name}`), digits: 0, isBetter: true, of: ({ scores: found }) => found?.[name] }));
  const quantities = QUANTITIES.map(([name, digits, isBetter]) => ({
    name: text(`page.compare.${name}`), digits, isBetter, write: name.endsWith("Ms") ? clock : null, of: ({ metrics }) => metrics?.quantities?.[name],
  }));
  return [...scores, ...quantities].map((row) => {
    const values = before.map(row.of).filter(isKnown);
    return { ...row, now: row.of(session), was: mean(values) };
  }).filter(({ now, was }) => isKnown(now) || was !== null);
}

function table(session, before) {
  const shown = (row, value) => (isKnown(value) ? (row.write ?? ((number) => decimal(number, row.digits)))(value) : "–");
  return element(
    "table", { class: "compare-table" },
    element("caption", { class: "unseen" }, text("page.compare.caption", { count: before.length })),
    element("thead", {}, element("tr", {}, ...["what", "now", "was", "change"].map((key) => element("th", { scope: "col" }, text(`page.compare.${key}`, { count: before.length }))))),
    element("tbody", {}, ...rows(session, before).map((row) => {
      const change = isKnown(row.now) && row.was !== null ? row.now - row.was : null;
      return element("tr", {}, element("th", { scope: "row" }, row.name), element("td", {}, shown(row, row.now)), element("td", {}, shown(row, row.was)), element("td", { "data-tone": tone(row, change) }, changed(row, change)));
    })),
  );
}

function tone({ isBetter, digits }, change) {
  if (change === null || isBetter === null || Math.abs(change) < 0.5 * 10 ** -digits) return null;
  return change > 0 === isBetter ? "good" : "bad";
}

function changed({ digits, write }, change) {
  if (change === null) return "–";
  if (write) return `${change < 0 ? "−" : "+"}${write(Math.abs(change))}`;
  if (digits === 0) return signed(change);
  return `${change > 0 ? "+" : ""}${decimal(change, digits)}`;
}

function list(before) {
  return element(
    "section", { class: "compare-calls" },
    element("h3", {}, text("page.compare.calls")),
    element("ol", {}, ...before.map((call) => element(
      "li", {},
      element("a", { href: `/replay#${call.id}` }, shortly(call.startTime ?? call.createdAt)),
      element("span", {}, `${kindName(call.sessionType)} · ${clock(call.durationMs)}`)))),
  );
}
