// The audit log: who did what to what, in words as far as the page knows them.

import { get } from "./api.js";
import { inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element } from "./element.js";
import { dayBegins, Filters } from "./filters.js";
import { shortly } from "./moment.js";
import { nameOf } from "./me.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { start } from "./start.js";
import { badge, nothing, Table } from "./table.js";
import { has, text } from "./texts.js";

const LIMIT = 50;
const ACTIONS = [
  "auth.sign_in", "auth.second_factor", "auth.reuse", "auth.reset_asked", "auth.reset",
  "account.password", "account.password_check", "account.email_asked", "account.second_factor_on", "account.second_factor_off", "account.recovery_codes",
  "user.invite", "user.join", "user.verify_email", "user.update", "user.move", "user.change_role", "user.disable", "user.reset_totp", "user.end_sign_ins", "user.export", "user.erase",
  "team.create", "team.update", "team.delete", "dealership.create", "dealership.update",
  "session.create", "session.consent", "session.withdraw", "session.recording", "session.listen", "session.delete", "session.expire",
  "content.publish", "content.override", "content.return", "content.take_back", "content.deliver", "content.delete",
  "vehicle.delete", "subscriber.import", "subscriber.delete", "webhook.create", "webhook.delete",
];
const TONES = { allowed: "plain", refused: "warn", failed: "bad" };
const TARGETS = new Set(["user", "session", "team", "dealership", "note"]);

class Audit {
  #directory;
  #filters = new Filters(() => this.#narrowed());
  #table = new Table(byId("audit"), () => this.#columns());
  #items = [];
  #offset = 0;
  #turn = 0;

  constructor(directory) {
    this.#directory = directory;
    byId("csv").addEventListener("click", () => this.#save());
    this.offer();
    this.#filters.recall();
  }

  offer() {
    const all = ["", text("page.list.all")];
    this.#filters.offer("person", [all, ...this.#directory.people.map((user) => [user.id, nameOf(user)])]);
    this.#filters.offer("action", [all, ...ACTIONS.map((action) => [action, inText(action)])]);
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    const { person, action, target, from, to } = this.#filters.values;
    dismissAll();
    try {
      const { items, total } = await get("/audit", {
        actorId: person, action, targetId: target, from: from && dayBegins(from), before: to && dayBegins(to, 1), offset: this.#offset, limit: LIMIT,
      });
      if (turn !== this.#turn) return;
      this.#items = items;
      byId("csv").disabled = !items.length;
      const isNarrowed = Object.keys(this.#filters.values).length > 0;
      this.#table.show(items, { empty: text(isNarrowed ? "page.list.no_match" : "page.audit.none") });
      showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
        this.#offset = offset;
        void this.show();
      });
    } catch (problem) {
      notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  #narrowed() {
    this.#offset = 0;
    void this.show();
  }

  #columns() {
    return {
      caption: text("page.audit.caption"),
      columns: [
        { head: text("page.audit.when"), isName: true, cell: ({ at }) => element("time", { datetime: at }, shortly(at)) },
        { head: text("page.audit.who"), cell: ({ actorId }) => this.#who(actorId) },
        { head: text("page.audit.what"), cell: ({ action }) => inText(action) },
        { head: text("page.audit.target"), cell: (entry) => this.#target(entry) },
        { head: text("page.audit.outcome"), cell: ({ outcome }) => badge(TONES[outcome], text(`page.audit.outcome_of.${outcome}`)) },
        { head: text("page.audit.entry"), isNumber: true, cell: ({ node, seq }) => element("span", { class: "entry" }, `${node} ${seq}`) },
      ],
    };
  }

  #who(id) {
    if (!id) return text("page.audit.nobody");
    return this.#directory.name(id) ?? element("span", {}, `${text("page.audit.gone")} `, element("code", {}, id));
  }

  #target({ targetType, targetId }) {
    if (!targetType) return nothing();
    const kind = text(`page.audit.target_of.${TARGETS.has(targetType) ? targetType : "other"}`);
    if (!targetId) return kind;
    const name = this.#directory.name(targetId);
    const said = name ?? element("code", {}, targetId);
    return element("span", {}, `${kind}: `, targetType === "session" ? element("a", { href: `/calls#${targetId}` }, said) : said);
  }

  /** What is shown, as a file that a spreadsheet opens (RFC 4180). */
  #save() {
    const heads = ["at", "actorId", "actor", "action", "targetType", "targetId", "target", "outcome", "node", "seq"];
    const rows = this.#items.map(({ at, actorId, action, targetType, targetId, outcome, node, seq }) =>
      [at, actorId, this.#directory.name(actorId), action, targetType, targetId, this.#directory.name(targetId), outcome, node, seq]);
    const csv = [heads, ...rows].map((row) => row.map(cellOf).join(",")).join("\r\n");
    const url = URL.createObjectURL(new Blob([`${csv}\r\n`], { type: "text/csv;charset=utf-8" }));
    element("a", { href: url, download: `forecourt-audit-${this.#items[0].at.slice(0, 10)}.csv` }).click();
    // The browser reads it after the click.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    notify("csv", "good", text("page.audit.csv_done", { count: this.#items.length }));
  }
}

const inText = (action) => (has(`page.audit.action.${action}`) ? text(`page.audit.action.${action}`) : action);

/** A cell of a CSV file. A spreadsheet takes what begins with = + - @ for a formula: an apostrophe keeps it text. */
function cellOf(value) {
  const words = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(words) ? `'${words}` : words;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

await start(async (me) => new Audit(await Directory.of(me)));
