// The assignments page: one's own to practise, and, for managers and coaches, everybody's.

import { get } from "./api.js";
import { assign, objectionsOf } from "./assign.js";
import { attemptList, attemptsOf, dueIn, dueOn, scoreBar, STATES, stateOf, taskOf } from "./assignment.js";
import { look } from "./assignment-dialog.js";
import { inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element, icon, unseen } from "./element.js";
import { Filters } from "./filters.js";
import { nameOf } from "./me.js";
import { shortly } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { start } from "./start.js";
import { Table } from "./table.js";
import { spokenLanguage, text, write } from "./texts.js";

const LIMIT = 20;
const MOST_MINE = 100;
const GIVERS = ["admin", "manager", "coach"];

class Assignments {
  #me;
  #directory;
  #filters = new Filters(() => { this.#offset = 0; void this.#list(); });
  #table = new Table(byId("assignments"), () => this.#columns());
  #objections = new Map();
  #offset = 0;
  #turn = 0;
  #asked;

  constructor(me, directory) {
    this.#me = me;
    this.#directory = directory;
    this.#asked = new URLSearchParams(location.search).get("new");
    byId("new-assignment").hidden = !this.#gives;
    byId("new-assignment").addEventListener("click", () => void this.#new([]));
    byId("f-whose").closest(".field").hidden = !this.#gives;
    this.offer();
    this.#filters.recall();
  }

  get #gives() { return GIVERS.includes(this.#me.role); }

  /** What the fields offer, in the page's language. */
  offer() {
    const people = this.#directory.people.map((user) => [user.id, nameOf(user)]);
    this.#filters.offer("whose", [
      ["", text("page.list.all")],
      [text("page.assignments.teams"), this.#directory.mine(this.#me).map(({ id, name }) => [`team-${id}`, name])],
      [text("page.assignments.people"), people],
    ]);
    this.#filters.offer("status", [["", text("page.list.all")], ...STATES.map((state) => [state, text(`page.assignments.state.${state}`)])]);
  }

  async show() {
    dismissAll();
    write(byId("assignments-lead"), this.#gives ? "page.assignments.lead" : "page.assignments.lead_mine");
    write(byId("others-title"), this.#gives ? "page.assignments.all" : "page.assignments.done");
    try {
      this.#objections = new Map((await objectionsOf(spokenLanguage())).map(({ code, title }) => [code, title]));
      await Promise.all([this.#mine(), this.#list()]);
    } catch (problem) {
      this.#tell(problem, () => this.show());
      return;
    }
    const asked = this.#asked;
    this.#asked = null;
    if (asked && this.#gives) await this.#new([asked]);
  }

  #tell(problem, again) {
    if (problem.status === undefined) throw problem;
    notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void again() }]);
  }

  // one's own

  async #mine() {
    const { items } = await get("/assignments", { userId: this.#me.id, status: "open", limit: MOST_MINE });
    const due = items.sort((a, b) => a.dueAt.localeCompare(b.dueAt));
    byId("mine").hidden = this.#gives && !due.length;
    byId("to-do").replaceChildren(...due.map((one) => this.#card(one)));
    byId("to-do-none").hidden = due.length > 0;
  }

  #card(one) {
    const { id, title, dueAt, isOverdue, attempts, attemptsAllowed, sessions } = one;
    const left = attemptsAllowed === null ? null : Math.max(0, attemptsAllowed - attempts);
    return element(
      "li", { class: "panel task", "data-overdue": String(isOverdue) },
      element("div", { class: "task-head" },
        element("div", {}, element("h3", {}, title), element("p", { class: "legend" }, taskOf(one, this.#objections))),
        element("p", { class: "task-due" }, text(isOverdue ? "page.assignments.was_due" : "page.assignments.is_due", { when: dueIn(dueAt) }), unseen(` (${dueOn(dueAt)})`))),
      scoreBar(one),
      sessions.length ? element("details", {}, element("summary", {}, text("page.assignments.attempts_made", { count: sessions.length })), attemptList(one, shortly)) : null,
      element("div", { class: "task-foot" },
        left === 0 ? null : element("a", { class: "primary button", href: `/#/new?assignment=${id}` }, icon("mic"), element("span", {}, text("page.assignments.practise"), unseen(`: ${title}`))),
        left === null ? null : element("span", { class: "legend" }, left === 1 ? text("page.assignments.last_attempt") : text("page.assignments.attempts_left", { count: left }))),
    );
  }

  // everybody's

  #query() {
    const { whose = "", status } = this.#filters.values;
    const isTeam = whose.startsWith("team-");
    return {
      userId: this.#gives ? (isTeam ? null : whose) : this.#me.id,
      teamId: isTeam ? whose.slice("team-".length) : null,
      status, offset: this.#offset, limit: LIMIT,
    };
  }

  async #list() {
    this.#turn += 1;
    const turn = this.#turn;
    try {
      const { items, total } = await get("/assignments", this.#query());
      if (turn !== this.#turn) return;
      const isNarrowed = Object.keys(this.#filters.values).length > 0;
      this.#table.show(items, { empty: text(isNarrowed ? "page.list.no_match" : this.#gives ? "page.assignments.none" : "page.assignments.none_done") });
      showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
        this.#offset = offset;
        void this.#list();
      });
    } catch (problem) {
      if (turn === this.#turn) this.#tell(problem, () => this.#list());
    }
  }

  #columns() {
    return {
      caption: text("page.assignments.caption"),
      name: "assignments-table",
      columns: [
        { head: text("page.assignments.name"), isName: true, cell: (one) => this.#name(one) },
        ...(this.#gives ? [{ head: text("page.assignments.for"), cell: ({ name }) => name }] : []),
        { head: text("page.assignments.state"), cell: stateOf },
        { head: text("page.assignments.due"), cell: ({ dueAt, status }) => (status === "open" ? dueIn(dueAt) : dueOn(dueAt)) },
        { head: text("page.assignments.attempts"), isNumber: true, cell: attemptsOf },
        { head: text("page.assignments.best"), cell: scoreBar },
      ],
    };
  }

  #name(one) {
    return [
      element("button", { type: "button", class: "link title-link", id: `assignment-${one.id}`, onclick: () => void this.#look(one) }, one.title, unseen(`: ${one.name}`)),
      element("span", { class: "person-email" }, taskOf(one, this.#objections)),
    ];
  }

  async #look({ id }) {
    dismissAll();
    try {
      if (await look(id, { objections: this.#objections, mayChange: this.#gives })) await this.show();
    } catch (problem) {
      this.#tell(problem, () => this.show());
    }
  }

  async #new(chosen) {
    dismissAll();
    const people = this.#directory.people.filter(({ id, role, status }) => status === "active" && (role === "salesperson" || chosen.includes(id)));
    const objections = [...this.#objections].map(([code, title]) => ({ code, title }));
    const made = await assign({ people, teams: this.#directory.mine(this.#me), chosen, objections });
    if (!made) return;
    await this.show();
    notify("done", "good", made.length === 1 ? text("page.assignments.given_one", { name: made[0].name }) : text("page.assignments.given", { count: made.length }));
  }
}

await start(async (me) => new Assignments(me, await Directory.of(me)));
