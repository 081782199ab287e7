// The Monday page: a manager's last week, made to be read in one-to-ones, and printed.

import { get } from "./api.js";
import { Clip } from "./clip.js";
import { inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element, unseen } from "./element.js";
import { day, shortly, signed } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { start } from "./start.js";
import { badge } from "./table.js";
import { decimal, text } from "./texts.js";
import { beginsAt, inWords as weekInWords, lastWeek, later } from "./weeks.js";

const WEEKS = 26;
const DAY_MS = 86_400_000;
const MOST_DUE = 200;
const TONES = { praise: "good", strength: "good", work_on: "warn" };

class Monday {
  #directory;
  #clips = [];
  #turn = 0;

  constructor(directory) {
    this.#directory = directory;
    byId("week").addEventListener("change", () => this.#go(byId("week").value));
    byId("week-before").addEventListener("click", () => this.#step(-1));
    byId("week-next").addEventListener("click", () => this.#step(1));
    byId("print").addEventListener("click", () => print());
    addEventListener("popstate", () => void this.show());
    this.offer();
  }

  /** The weeks, in the page's language. */
  offer() {
    const shown = this.#week;
    const known = Array.from({ length: WEEKS }, (_, back) => later(lastWeek(), 1 - back));
    if (!known.includes(shown)) known.push(shown);
    byId("week").replaceChildren(...known.map((week) => element("option", { value: week }, text("page.monday.week_choice", { week: week.slice(-2), days: weekInWords(week) }))));
    byId("week").value = shown;
  }

  get #week() {
    const asked = new URLSearchParams(location.search).get("week");
    return beginsAt(asked) === null ? lastWeek() : asked;
  }

  #step(count) {
    this.#go(later(this.#week, count));
  }

  #go(week) {
    history.pushState(null, "", week === lastWeek() ? location.pathname : `${location.pathname}?week=${week}`);
    void this.show();
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    dismissAll();
    const week = this.#week;
    this.offer();
    const isNewest = week >= later(lastWeek(), 1);
    byId("week-next").setAttribute("aria-disabled", String(isNewest));
    byId("week-next").disabled = isNewest;
    try {
      const [digest, due] = await Promise.all([get("/digest", { week }), this.#due(week)]);
      if (turn !== this.#turn) return;
      this.#fill(digest, due);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (turn === this.#turn) notify("digest", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  /** Open assignments that are due in the seven days after the week, by person. */
  async #due(week) {
    const from = beginsAt(week) + 7 * DAY_MS;
    const { items } = await get("/assignments", { status: "open", limit: MOST_DUE });
    const due = items.filter(({ dueAt }) => Date.parse(dueAt) >= from && Date.parse(dueAt) < from + 7 * DAY_MS);
    return grouped(due);
  }

  #fill({ week, practised, idle, improved, moments, assignmentsDue }, due) {
    for (const clip of this.#clips) clip.stop();
    this.#clips = [];
    const people = practised.length + idle.length;
    byId("week-words").textContent = text("page.monday.week_of", { days: weekInWords(week) });
    byId("figures").replaceChildren(
      figure("practised", text("page.progress.of_people", { count: practised.length, people })),
      figure("improved", String(improved.length)),
      figure("minutes", decimal(practised.reduce((sum, { minutes }) => sum + minutes, 0), 0)),
      figure("due", String(assignmentsDue)),
    );
    const better = new Map(improved.map((each) => [each.userId, each]));
    const moment = new Map(moments.map((each) => [each.userId, each]));
    byId("practised").replaceChildren(...practised.map((each) => this.#card(each, better.get(each.userId), moment.get(each.userId), due.get(each.userId) ?? [])));
    byId("practised-none").hidden = practised.length > 0;
    byId("idle").replaceChildren(...idle.map((each) => this.#idle(each, due.get(each.userId) ?? [])));
    byId("idle-part").hidden = idle.length === 0;
  }

  #card({ userId, name, calls, minutes }, better, moment, due) {
    return element(
      "li", { class: "panel one-to-one" },
      element("div", { class: "one-head" },
        element("h3", {}, element("a", { href: `/calls?whose=${userId}` }, name)),
        better ? badge("good", text("page.monday.up", { change: signed(better.change), overall: decimal(better.overall, 0) })) : null),
      element("p", { class: "legend" }, [calls === 1 ? text("page.monday.one_call") : text("page.monday.calls", { count: calls }), text("page.monday.minutes", { minutes }), this.#teams(userId)].filter(Boolean).join(" · ")),
      moment ? this.#moment(moment) : element("p", { class: "hint" }, text("page.monday.no_moment")),
      dueList(due),
      element("p", { class: "agreed", "aria-hidden": "true" }, text("page.monday.agreed")),
    );
  }

  #moment({ sessionId, atMs, name, kind, message }) {
    const clip = new Clip({ sessionId, atMs, name });
    this.#clips.push(clip);
    return element(
      "div", { class: "moment-box", "data-kind": kind },
      element("p", { class: "moment-says" }, badge(TONES[kind], text(`page.monday.kind.${kind}`)), ` ${message}`),
      element("div", { class: "moment-play" }, clip.root,
        element("a", { class: "moment-link", href: `/replay#${sessionId}?t=${atMs}` }, text("page.monday.replay"), unseen(`: ${name}`))),
    );
  }

  #idle({ userId, name, lastCallAt }, due) {
    return element(
      "li", {},
      element("div", {},
        element("a", { href: `/calls?whose=${userId}` }, name),
        element("p", { class: "legend" }, [lastCallAt ? text("page.monday.last_call", { when: shortly(lastCallAt) }) : text("page.monday.never"), this.#teams(userId)].filter(Boolean).join(" · "))),
      dueList(due),
      element("a", { class: "button small", href: `/assignments?new=${userId}` }, text("page.monday.assign"), unseen(`: ${name}`)),
    );
  }

  #teams(userId) {
    return (this.#directory.person(userId)?.teamIds ?? []).map((id) => this.#directory.team(id)?.name).filter(Boolean).join(", ");
  }
}

function grouped(items) {
  const found = new Map();
  for (const item of items) found.set(item.userId, [...(found.get(item.userId) ?? []), item]);
  return found;
}

function dueList(due) {
  if (!due.length) return null;
  return element("ul", { class: "due-list" }, ...due.map(({ title, dueAt }) => element("li", {}, element("span", { class: "due-day" }, text("page.monday.due", { day: day(dueAt) })), ` ${title}`)));
}

function figure(key, words) {
  return element("div", { class: "tile-figure" }, element("dt", {}, text(`page.monday.figure.${key}`)), element("dd", {}, words));
}

await start(async (me) => new Monday(await Directory.of(me)));
