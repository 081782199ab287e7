// The people page: who is at the dealership, and what may be done about each.

import { get, newKey, post } from "./api.js";
import { Dialog, inWords } from "./dialog.js";
import { Directory, roleOf, ROLES } from "./directory.js";
import { byId, element, unseen } from "./element.js";
import { allRight, boxes, choice, field, ticked } from "./fields.js";
import { Filters } from "./filters.js";
import { nameOf } from "./me.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { Person } from "./person.js";
import { start } from "./start.js";
import { badge, nothing, Table } from "./table.js";
import { text, write } from "./texts.js";

const LIMIT = 25;
const STATES = ["active", "invited", "disabled"];
const TONES = { active: "good", invited: "info", disabled: "plain" };
const ADDRESS = /^[^@\s]+@[^@\s]+\.[^@\s]+$/;

/** The roles that who has `role` may give to somebody they invite. */
const invitable = (role) => ({ admin: ROLES, manager: ["salesperson"] })[role] ?? [];

class People {
  #me;
  #directory;
  #dealership;
  #filters = new Filters(() => this.#narrowed());
  #table = new Table(byId("people"), () => this.#columns(), (order) => this.#filters.set("sort", order === "email" ? "" : order));
  #offset = 0;
  #turn = 0;

  constructor(me, directory, dealership) {
    this.#me = me;
    this.#directory = directory;
    this.#dealership = dealership;
    byId("invite").hidden = !invitable(me.role).length;
    byId("invite").addEventListener("click", () => void this.#invite());
    this.offer();
    this.#filters.recall();
  }

  offer() {
    const all = ["", text("page.list.all")];
    this.#filters.offer("role", [all, ...ROLES.map((role) => [role, roleOf(role)])]);
    this.#filters.offer("status", [all, ...STATES.map((state) => [state, text(`page.people.state.${state}`)])]);
    this.#filters.offer("team", [all, ...this.#directory.mine(this.#me).map(({ id, name }) => [id, name])]);
    this.#filters.offer("sort", [
      ["", text("page.people.sort.email")], ["-email", text("page.people.sort.email_down")], ["-createdAt", text("page.people.sort.newest")],
      ["role", text("page.people.sort.role")], ["-role", text("page.people.sort.role_down")],
      ["status", text("page.people.sort.status")], ["-status", text("page.people.sort.status_down")],
    ]);
    write(byId("people-lead"), this.#me.role === "admin" ? "page.people.lead_all" : "page.people.lead_teams");
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    const { role, status, team, sort = "email" } = this.#filters.values;
    try {
      const { items, total } = await get("/users", { role, status, teamId: team, sort, offset: this.#offset, limit: LIMIT });
      if (turn !== this.#turn) return;
      this.#table.show(items, { order: sort, empty: text(role || status || team ? "page.list.no_match" : "page.people.none") });
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
      caption: text("page.people.caption"),
      columns: [
        { head: text("page.people.name"), sort: "email", isName: true, cell: (user) => this.#name(user) },
        { head: text("page.people.role"), sort: "role", cell: ({ role }) => roleOf(role) },
        { head: text("page.people.teams"), cell: ({ teamIds }) => (teamIds.length ? teamIds.map((id) => this.#directory.name(id) ?? "?").join(", ") : nothing()) },
        { head: text("page.people.status"), sort: "status", cell: ({ status }) => badge(TONES[status], text(`page.people.state.${status}`)) },
        { head: text("page.people.factor"), cell: ({ secondFactor }) => text(secondFactor ? "page.people.factor_on" : "page.people.factor_off") },
        { head: text("page.list.actions"), isWide: true, cell: (user) => this.#actions(user) },
      ],
    };
  }

  #name(user) {
    const name = nameOf(user);
    const isMe = user.id === this.#me.id;
    return [
      element("span", { class: "person-name" }, name, isMe ? element("small", {}, ` (${text("page.people.you")})`) : null),
      name === user.email ? "" : element("span", { class: "person-email" }, user.email),
    ];
  }

  #actions(user) {
    const of = (key) => [element("span", { "aria-hidden": "true" }, text(key)), unseen(text("page.people.of", { what: text(key), name: nameOf(user) }))];
    return element(
      "div", { class: "row-actions" },
      element("a", { class: "button small", href: `/calls?whose=${user.id}` }, ...of("page.people.calls")),
      element("button", { type: "button", class: "small", id: `manage-${user.id}`, onclick: () => void this.#manage(user) }, ...of(this.#me.role === "admin" ? "page.people.manage" : "page.people.details")),
    );
  }

  async #manage(user) {
    dismissAll();
    await new Person(this.#me, this.#directory, user, () => this.#changed()).open();
  }

  async #changed() {
    await this.#directory.fetchPeople();
    await this.show();
  }

  async #invite() {
    dismissAll();
    const teams = this.#directory.mine(this.#me);
    const email = element("input", { type: "email", class: "text-input", id: "invite-email", name: "email", autocomplete: "off", autofocus: true, maxlength: "254" });
    const role = choice("invite-role", invitable(this.#me.role).map((each) => [each, roleOf(each)]), "salesperson");
    const spoken = choice("invite-language", [["en", "English"], ["es", "Español (beta)"]], this.#dealership.language);
    const mustJoin = this.#me.role !== "admin";
    const form = element(
      "form", { novalidate: true },
      element("p", {}, text("page.people.invite_what")),
      field(text("page.people.email"), email),
      field(text("page.people.role"), role),
      teams.length ? boxes("invite-teams", text("page.people.teams"), teams.map(({ id, name }) => [id, name, mustJoin && teams.length === 1])) : element("p", { class: "hint" }, text("page.people.teams_none")),
      field(text("page.people.invite_language"), spoken),
      element("div", { class: "actions" },
        element("button", { type: "submit", class: "primary" }, text("page.people.invite_do")),
        element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))),
    );
    const dialog = new Dialog(text("page.people.invite_title"), form);
    // One for the whole dialog: the same invitation, sent again after a lost answer, is made once.
    let [key, sent] = [newKey(), ""];
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = { email: email.value.trim(), role: role.value, teamIds: ticked(form, "invite-teams"), language: spoken.value };
      const wrong = [];
      if (!ADDRESS.test(body.email)) wrong.push([email, text("page.people.bad_email")]);
      if (mustJoin && teams.length && !body.teamIds.length) wrong.push([form.querySelector("#invite-teams"), text("page.people.no_team")]);
      if (!allRight(form, wrong)) return;
      if (sent !== JSON.stringify(body)) [key, sent] = [newKey(), JSON.stringify(body)];
      const isDone = await dialog.run(async () => {
        try {
          await post("/users", body, { key });
        } catch (problem) {
          if (problem.code === "email_taken") allRight(form, [[email, inWords(problem)]]);
          throw problem;
        }
        await this.#changed();
      });
      if (!isDone) return;
      dialog.close();
      notify("done", "good", text("page.people.invited", { email: body.email }));
    });
    await dialog.open();
  }
}

await start(async (me) => new People(me, ...await Promise.all([Directory.of(me), get("/dealership")])));
