// How people come on: calls, minutes and scores of a period, against those of as long before it.

import { download, get } from "./api.js";
import { inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element, unseen } from "./element.js";
import { dayBegins, Filters } from "./filters.js";
import { day, shortly, signed } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { spark } from "./spark.js";
import { start } from "./start.js";
import { badge, nothing, Table } from "./table.js";
import { decimal, locale, text, write } from "./texts.js";
import { SCORES } from "./trend.js";

const DAY_MS = 86_400_000;
const PERIODS = ["7", "", "91", "365"];
const USUAL_DAYS = 28;
const MOST_SPARKS = 60;
const FEWEST = 2;
/** What the table is sorted by -> what is compared; those without it come last. */
const ORDERS = { name: ({ name }) => name, calls: ({ calls }) => calls, minutes: ({ minutes }) => minutes, overall: ({ overall }) => overall, change: ({ change }) => change };

class Progress {
  #me;
  #directory;
  #filters = new Filters(() => void this.show());
  #table = new Table(byId("progress"), () => this.#columns(), (order) => { this.#order = order; this.#rows(); });
  #order = "name";
  #report = null;
  #before = new Map();
  #all = null;
  #trends = new Map();
  #turn = 0;

  constructor(me, directory) {
    this.#me = me;
    this.#directory = directory;
    byId("f-team").closest(".field").hidden = this.#isAlone;
    byId("download").addEventListener("click", () => void this.#download());
    this.offer();
    this.#filters.recall();
  }

  /** What the fields offer, in the page's language. */
  offer() {
    this.#filters.offer("team", [["", text(this.#me.role === "admin" ? "page.progress.everybody" : "page.progress.my_teams")], ...this.#directory.mine(this.#me).map(({ id, name }) => [id, name])]);
    this.#filters.offer("period", [...PERIODS.map((days) => [days, text("page.progress.days", { days: days || USUAL_DAYS })]), ["own", text("page.progress.own")]]);
  }

  get #isAlone() { return this.#me.role === "salesperson"; }

  /** [from, to] in ms: whole days, so that a reload asks for the same. */
  #period() {
    const { period = "", from, to } = this.#filters.values;
    const now = Date.now();
    if (period === "own") {
      const end = to ? Math.min(now, Date.parse(dayBegins(to, 1))) : now;
      return [from ? Date.parse(dayBegins(from)) : end - USUAL_DAYS * DAY_MS, end];
    }
    return [now - Number(period || USUAL_DAYS) * DAY_MS, now];
  }

  #query([from, to] = this.#period()) {
    return { teamId: this.#filters.values.team, from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    dismissAll();
    write(byId("progress-lead"), this.#isAlone ? "page.progress.lead_mine" : "page.progress.lead");
    const isOwn = this.#filters.values.period === "own";
    for (const id of ["f-from", "f-to"]) byId(id).closest(".field").hidden = !isOwn;
    const [from, to] = this.#period();
    try {
      // Scores of the period before are that period's own report.
      const [report, before] = await Promise.all([get("/progress", this.#query([from, to])), get("/progress", this.#query([from - (to - from), from]))]);
      if (turn !== this.#turn) return;
      this.#report = report;
      this.#all = before.team;
      this.#before = new Map(before.people.map((person) => [person.userId, person]));
      this.#summary();
      this.#rows();
      await this.#sparks(turn);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (turn === this.#turn) notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  #summary() {
    const { team, from, to } = this.#report;
    byId("period").textContent = text("page.progress.period", { from: day(from), to: day(to) });
    const passed = this.#report.people.reduce((sum, { assignments }) => sum + assignments.passed, 0);
    byId("tiles").replaceChildren(
      ...(this.#isAlone ? [] : [tile("practised", text("page.progress.of_people", { count: team.practised, people: team.people }))]),
      tile("calls", String(team.calls)),
      tile("minutes", decimal(team.minutes, 0)),
      tile("overall", team.overall === null ? nothing() : decimal(team.overall, 0), change(team.change)),
      tile("passed", String(passed)),
    );
  }

  #rows() {
    const { people, team } = this.#report;
    const key = ORDERS[this.#order.replace("-", "")];
    const isDown = this.#order.startsWith("-");
    const sorted = [...people].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === null || y === null) return (x === null) - (y === null);
      return (typeof x === "string" ? x.localeCompare(y, locale()) : x - y) * (isDown ? -1 : 1);
    });
    const all = { isTeam: true, ...team, assignments: sums(people) };
    this.#table.show(this.#isAlone || !people.length ? sorted : [all, ...sorted], { order: this.#order, empty: text("page.progress.none") });
    byId("download").disabled = !people.length;
    this.#draw();
  }

  #columns() {
    return {
      caption: text("page.progress.caption"),
      name: this.#isAlone ? "progress-table" : "progress-table has-team",
      columns: [
        { head: text("page.progress.name"), sort: "name", isName: true, cell: (row) => this.#name(row) },
        { head: text("page.progress.trend"), cell: ({ userId }) => element("span", { "data-spark": userId ?? "" }) },
        { head: text("page.progress.overall"), sort: "overall", isNumber: true, cell: (row) => [element("strong", {}, ...shown(row.overall))] },
        { head: text("page.progress.change"), sort: "change", isNumber: true, cell: (row) => change(row.change) ?? nothing() },
        ...SCORES.map((key) => ({ head: text(`page.score.${key}`), isNumber: true, cell: (row) => this.#score(row, key) })),
        { head: text("page.progress.calls"), sort: "calls", isNumber: true, cell: ({ calls }) => String(calls) },
        { head: text("page.progress.minutes"), sort: "minutes", isNumber: true, cell: ({ minutes }) => decimal(minutes, 1) },
        { head: text("page.progress.last"), cell: ({ lastCallAt }) => (lastCallAt ? shortly(lastCallAt) : nothing()) },
        { head: text("page.progress.assignments"), cell: ({ assignments }) => assigned(assignments) },
      ],
    };
  }

  #name({ isTeam, userId, name, teamIds }) {
    if (isTeam) {
      const { team } = this.#filters.values;
      return [(team && this.#directory.name(team)) || text("page.progress.everybody_here")];
    }
    const href = userId === this.#me.id ? "/calls" : `/calls?whose=${userId}`;
    const teams = teamIds.map((id) => this.#directory.team(id)?.name).filter(Boolean).join(", ");
    return [element("a", { href, id: `person-${userId}`, "aria-label": text("page.progress.calls_of", { name }) }, name), element("span", { class: "person-email" }, teams)];
  }

  #score({ isTeam, userId, scores }, key) {
    const value = scores[key] ?? null;
    const before = (isTeam ? this.#all : this.#before.get(userId))?.scores[key] ?? null;
    const isSame = value === null || before === null || Math.round(value - before) === 0;
    return [...shown(value), isSame ? null : change(value - before)].filter(Boolean);
  }

  // trends: of a few people each, beside what is shown already

  async #sparks(turn) {
    const wanted = this.#report.people.filter(({ calls }) => calls >= FEWEST).slice(0, MOST_SPARKS);
    for (const { userId } of wanted) {
      if (turn !== this.#turn) return;
      if (!this.#trends.has(userId)) this.#trends.set(userId, (await get(`/users/${userId}/trend`)).items);
      this.#draw();
    }
  }

  #draw() {
    const from = Date.parse(this.#report.from);
    const until = Date.parse(this.#report.to);
    for (const { userId, name } of this.#report.people) {
      const values = (this.#trends.get(userId) ?? []).filter(({ startTime }) => Date.parse(startTime) >= from && Date.parse(startTime) < until).map(overall).filter((value) => value !== null);
      const cell = document.querySelector(`[data-spark="${userId}"]`);
      if (!cell || cell.firstChild || values.length < FEWEST) continue;
      cell.replaceChildren(spark(values, text("page.progress.trend_words", { name, count: values.length, first: values[0], last: values.at(-1) })));
    }
  }

  async #download() {
    try {
      const { from, to } = this.#report;
      const name = text("page.progress.file", { from: from.slice(0, 10), to: to.slice(0, 10) });
      await download("/progress.csv", name, this.#query([Date.parse(from), Date.parse(to)]));
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      notify("download", "bad", inWords(problem));
    }
  }
}

/** A call's overall score, as the node has it: the mean of those it has. */
function overall({ scores }) {
  const known = SCORES.map((key) => scores[key]).filter((value) => typeof value === "number");
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

const shown = (value) => (value === null ? [nothing()] : [decimal(value, 0)]);

/** "+3" in its colour, and in words; null where it cannot be told. */
function change(points) {
  if (points === null || points === undefined) return null;
  const how = Math.round(points) > 0 ? "up" : Math.round(points) < 0 ? "down" : "same";
  return element("span", { class: "change", "data-how": how }, element("span", { "aria-hidden": "true" }, how === "same" ? "±0" : signed(points)), unseen(text(`page.progress.${how}`, { points: Math.abs(Math.round(points)) })));
}

function sums(people) {
  const of = (key) => people.reduce((sum, { assignments }) => sum + assignments[key], 0);
  return { open: of("open"), passed: of("passed"), failed: of("failed"), overdue: of("overdue") };
}

function assigned({ open, passed, failed, overdue }) {
  const said = [
    ["good", "passed", passed], ["info", "open", Math.max(0, open - overdue)], ["warn", "overdue", overdue], ["bad", "failed", failed],
  ].filter(([, , count]) => count > 0).map(([tone, key, count]) => badge(tone, text(`page.progress.assigned.${key}`, { count })));
  return said.length ? element("span", { class: "badges" }, ...said) : nothing();
}

function tile(key, ...content) {
  return element("div", { class: "tile-figure" }, element("dt", {}, text(`page.progress.tile.${key}`)), element("dd", {}, ...content.filter(Boolean)));
}

await start(async (me) => new Progress(me, await Directory.of(me)));
