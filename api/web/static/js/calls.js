// The calls page: a person's or a team's calls with their trend, or one call (/calls#ID).

import { del, events, get, session as fetchSession } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element } from "./element.js";
import { dayBegins, Filters } from "./filters.js";
import { nameOf as kindName } from "./kind.js";
import { clock, shortly } from "./moment.js";
import { nameOf } from "./me.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { CallRecord } from "./record.js";
import { start } from "./start.js";
import { Summary, tellMissing } from "./summary.js";
import { badge, nothing, Table } from "./table.js";
import { has, text, write } from "./texts.js";
import { SCORES, Trend } from "./trend.js";

const LIMIT = 20;
const NEWEST_FIRST = "-startTime";
const MOST_TIPS = 2;
const KINDS = ["pitch", "objection", "closing"];
const STATES = ["completed", "interrupted", "active", "paused", "created"];
const TONES = { completed: "good", interrupted: "warn", active: "info", paused: "info", created: "plain" };
const CODES = ["too_fast", "too_slow", "too_quiet", "clipping", "long_pause", "filler_density", "monologue", "never_say", "link_trouble", "steady_delivery"];

class Calls {
  #me;
  #directory;
  #filters = new Filters(() => this.#narrowed());
  #trend = new Trend();
  #summary = new Summary();
  #table = new Table(byId("calls"), () => this.#columns(), (order) => this.#filters.set("sort", order === NEWEST_FIRST ? "" : order));
  #offset = 0;
  #turn = 0;
  #trendOf = null;
  #open = null;

  constructor(me, directory) {
    this.#me = me;
    this.#directory = directory;
    addEventListener("hashchange", () => void this.show());
    byId("call-withdraw").addEventListener("click", () => void this.#withdraw());
    byId("call-delete").addEventListener("click", () => void this.#delete());
    byId("call-back").addEventListener("click", (event) => { event.preventDefault(); location.hash = ""; });
    byId("f-whose").closest(".field").hidden = this.#isAlone;
    this.offer();
    this.#filters.recall();
  }

  /** What the fields offer, in the page's language. */
  offer() {
    const all = ["", text("page.list.all")];
    this.#filters.offer("whose", this.#whose());
    this.#filters.offer("type", [all, ...KINDS.map((kind) => [kind, kindName(kind)])]);
    this.#filters.offer("status", [all, ...STATES.map((state) => [state, text(`page.calls.state.${state}`)])]);
    this.#filters.offer("code", [all, ...CODES.map((code) => [code, tipName(code)])]);
    this.#filters.offer("sort", [
      ["", text("page.calls.sort.newest")], ["startTime", text("page.calls.sort.oldest")],
      ["-durationMs", text("page.calls.sort.longest")], ["durationMs", text("page.calls.sort.shortest")],
      ...SCORES.flatMap((key) => {
        const score = text(`page.score.${key}`);
        return [[`-metrics.${key}`, text("page.calls.sort.best", { score })], [`metrics.${key}`, text("page.calls.sort.worst", { score })]];
      }),
    ]);
  }

  /** Shows what the address asks for. */
  async show() {
    this.#turn += 1;
    dismissAll();
    const [, id] = /^#([0-9a-f]{24})$/.exec(location.hash) ?? [];
    if (id) await this.#showCall(id, this.#turn);
    else await this.#showList(this.#turn);
  }

  // the list

  get #isAlone() { return this.#me.role === "salesperson"; }

  #whose() {
    const mine = ["", text("page.calls.mine")];
    if (this.#isAlone) return [mine];
    const others = this.#directory.people.filter(({ id }) => id !== this.#me.id);
    return [
      mine,
      ["all", text(this.#me.role === "admin" ? "page.calls.everybody" : "page.calls.my_teams")],
      [text("page.calls.teams"), this.#directory.mine(this.#me).map(({ id, name }) => [`team-${id}`, name])],
      [text("page.calls.people"), others.map((user) => [user.id, nameOf(user)])],
    ];
  }

  /** The person whose calls are shown; null for those of several. */
  get #person() {
    const { whose = "" } = this.#filters.values;
    if (whose === "") return this.#me;
    return this.#directory.person(whose);
  }

  #query() {
    const { whose = "", type, status, code, from, to, sort = NEWEST_FIRST } = this.#filters.values;
    return {
      userId: whose === "" ? this.#me.id : this.#directory.person(whose)?.id,
      teamId: whose.startsWith("team-") ? whose.slice("team-".length) : null,
      sessionType: type,
      status,
      feedbackCode: code,
      startedFrom: from && dayBegins(from),
      startedBefore: to && dayBegins(to, 1),
      sort,
      offset: this.#offset,
      limit: LIMIT,
    };
  }

  #narrowed() {
    this.#offset = 0;
    this.#turn += 1;
    void this.#showList(this.#turn);
  }

  async #showList(turn) {
    write(byId("list-lead"), this.#isAlone ? "page.calls.lead_mine" : "page.calls.lead_others");
    this.#show("list");
    void this.#showTrend();
    try {
      const { items, total } = await get("/sessions", this.#query());
      if (turn !== this.#turn) return;
      const isNarrowed = Object.keys(this.#filters.values).some((name) => name !== "sort");
      this.#table.show(items, { order: this.#filters.values.sort ?? NEWEST_FIRST, empty: text(isNarrowed ? "page.list.no_match" : "page.calls.none") });
      showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
        this.#offset = offset;
        this.#turn += 1;
        void this.#showList(this.#turn);
      });
    } catch (problem) {
      notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  async #showTrend() {
    const person = this.#person;
    if (!person) {
      this.#trendOf = null;
      this.#trend.hide();
      return;
    }
    const key = `${person.id} ${document.documentElement.lang}`;
    if (this.#trendOf === key) return;
    this.#trendOf = key;
    try {
      const { items } = await get(`/users/${person.id}/trend`);
      if (this.#trendOf !== key) return;
      const whose = person.id === this.#me.id ? text("page.trend.mine") : text("page.trend.of", { name: nameOf(person) });
      await this.#trend.show(items, whose);
    } catch (problem) {
      this.#trendOf = null;
      notify("trend", "warn", inWords(problem));
    }
  }

  #columns() {
    const isOfMany = !this.#person;
    return {
      caption: text("page.calls.caption"),
      name: isOfMany ? "calls-table of-many" : "calls-table",
      columns: [
        { head: text("page.calls.when"), sort: "startTime", isName: true, cell: (call) => element("a", { href: `#${call.id}`, id: `call-${call.id}` }, shortly(call.startTime ?? call.createdAt)) },
        ...(isOfMany ? [{ head: text("page.calls.who"), cell: ({ userId }) => this.#directory.name(userId) ?? nothing() }] : []),
        { head: text("page.calls.kind"), cell: ({ sessionType, isUploaded }) => [kindName(sessionType), isUploaded && badge("plain", text("page.calls.uploaded"))].filter(Boolean) },
        { head: text("page.calls.status"), cell: ({ status }) => badge(TONES[status], text(`page.calls.state.${status}`)) },
        { head: text("page.calls.duration"), sort: "durationMs", isNumber: true, cell: ({ durationMs }) => clock(durationMs) },
        ...SCORES.map((key) => ({ head: text(`page.score.${key}`), sort: `metrics.${key}`, isNumber: true, cell: ({ scores }) => scores?.[key] ?? nothing() })),
        { head: text("page.calls.tips"), cell: ({ feedbackCounts }) => tips(feedbackCounts) },
        { head: text("page.replay.open"), cell: (call) => (call.hasRecording ? element("a", { href: `/replay#${call.id}`, "aria-label": text("page.replay.open_of", { when: shortly(call.startTime ?? call.createdAt) }) }, text("page.replay.open")) : nothing()) },
      ],
    };
  }

  // one call

  async #showCall(id, turn) {
    try {
      const [session, items] = await Promise.all([fetchSession(id), events(id)]);
      const record = new CallRecord();
      for (const event of items) record.apply(event);
      if (turn !== this.#turn) return;
      this.#open = session;
      const isMine = session.userId === this.#me.id;
      this.#summary.show({ ...session, metrics: session.metrics ?? { scores: session.scores ?? {}, quantities: {} } }, record, false);
      // What speaks to the trainee would be wrong to others.
      write(byId("talk-title"), isMine ? "page.summary.talk" : "page.call.talk");
      write(byId("said-title"), isMine ? "page.summary.said" : "page.call.said");
      const name = this.#directory.name(session.userId);
      if (!isMine && name) byId("summary-lead").textContent = text("page.call.of", { name, facts: byId("summary-lead").textContent });
      const isKept = session.hasRecording || items.length > 0 || session.status !== "completed";
      byId("call-withdraw").hidden = !isMine || !isKept;
      byId("call-replay").hidden = session.status !== "completed" || !isKept;
      byId("call-replay").href = `/replay#${id}`;
      byId("call-delete").hidden = !isMine && this.#me.role !== "admin";
      this.#show("summary");
    } catch (problem) {
      if (turn !== this.#turn) return;
      history.replaceState(null, "", location.pathname + location.search);
      await this.#showList(turn);
      tellMissing(problem);
    }
  }

  async #withdraw() {
    const { id } = this.#open;
    const isDone = await confirmed({
      title: text("page.call.withdraw_title"), says: text("page.call.withdraw_what"), action: text("page.call.withdraw_do"),
      run: () => del(`/sessions/${id}/consent`),
    });
    if (!isDone) return;
    await this.show();
    notify("done", "good", text("page.call.withdrawn"));
  }

  async #delete() {
    const { id } = this.#open;
    const isDone = await confirmed({
      title: text("page.call.delete_title"), says: text("page.call.delete_what"), action: text("page.call.delete"),
      run: () => del(`/sessions/${id}`),
    });
    if (!isDone) return;
    this.#trendOf = null;
    history.replaceState(null, "", location.pathname + location.search);
    await this.show();
    notify("done", "good", text("page.call.deleted"));
  }

  #show(view) {
    const before = document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    if (view !== "summary") this.#summary.hide();
    document.title = text(view === "list" ? "page.calls.browser" : "page.call.browser");
    if (before === view) return;
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (before) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }
}

const tipName = (code) => (code === "never_say" || !has(`feedback.${code}.message`) ? code.replaceAll("_", " ") : text(`feedback.${code}.message`));

/** How many tips there were, and which came most. */
function tips(counts) {
  const all = Object.entries(counts ?? {}).sort(([, a], [, b]) => b - a);
  if (!all.length) return nothing();
  const most = all.slice(0, MOST_TIPS).map(([code, count]) => element("li", {}, text("page.calls.tip_count", { tip: tipName(code), count })));
  const more = all.length - most.length;
  return element("ul", { class: "tips" }, ...most, more ? element("li", {}, text("page.calls.tips_more", { count: more })) : null);
}

await start(async (me) => new Calls(me, await Directory.of(me)));
