// The teams page, and the settings of the dealership for its admins.

import { del, get, newKey, post, put } from "./api.js";
import { Dealership } from "./dealership.js";
import { confirmed, Dialog, inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { byId, element, unseen } from "./element.js";
import { allRight, boxes, field, ticked } from "./fields.js";
import { nameOf } from "./me.js";
import { dismissAll, notify } from "./notices.js";
import { start } from "./start.js";
import { nothing, Table } from "./table.js";
import { text } from "./texts.js";

class Teams {
  #me;
  #directory;
  #table = new Table(byId("teams"), () => this.#columns());
  #dealership = new Dealership();

  constructor(me, directory) {
    this.#me = me;
    this.#directory = directory;
    byId("new-team").hidden = me.role !== "admin";
    byId("new-team").addEventListener("click", () => void this.#edit(null));
  }

  async show() {
    this.#list();
    byId("dealership").hidden = this.#me.role !== "admin";
    if (this.#me.role === "admin") await this.#dealership.show();
  }

  #list() {
    this.#table.show(this.#directory.teams, { empty: text("page.teams.none") });
  }

  #columns() {
    const seesPeople = this.#me.role !== "salesperson" && this.#directory.isWhole;
    return {
      caption: text("page.teams.caption"),
      columns: [
        { head: text("page.teams.name"), isName: true, cell: ({ name }) => name },
        { head: text("page.teams.managers"), cell: ({ managerIds }) => (managerIds.length ? managerIds.map((id) => this.#directory.name(id) ?? text("page.teams.unknown_person")).join(", ") : nothing()) },
        ...(seesPeople ? [{ head: text("page.teams.members"), isNumber: true, cell: (team) => this.#members(team) }] : []),
        ...(["admin", "manager"].includes(this.#me.role) ? [{ head: text("page.list.actions"), isWide: true, cell: (team) => this.#actions(team) }] : []),
      ],
    };
  }

  #members({ id, name }) {
    const count = this.#directory.people.filter(({ teamIds }) => teamIds.includes(id)).length;
    if (!this.#mayEdit({ id })) return nothing();
    return element("a", { href: `/people?team=${id}`, "aria-label": text("page.teams.members_of", { count, team: name }) }, String(count));
  }

  #mayEdit({ id }) {
    return this.#directory.mine(this.#me).some((team) => team.id === id);
  }

  #actions(team) {
    if (!this.#mayEdit(team)) return nothing();
    const of = (key) => [text(key), unseen(` ${team.name}`)];
    return element(
      "div", { class: "row-actions" },
      element("button", { type: "button", class: "small", id: `edit-${team.id}`, onclick: () => void this.#edit(team) }, ...of("page.teams.edit")),
      this.#me.role === "admin" ? element("button", { type: "button", class: "small danger", id: `delete-${team.id}`, onclick: () => void this.#delete(team) }, ...of("page.teams.delete")) : null,
    );
  }

  /** A new team for null. */
  async #edit(team) {
    dismissAll();
    let known = team;
    const name = element("input", { type: "text", class: "text-input", id: "team-name", name: "name", maxlength: "200", value: team?.name ?? "", autocomplete: "off", autofocus: true });
    const able = this.#directory.people.filter(({ role, status }) => role !== "salesperson" && status !== "disabled");
    const form = element(
      "form", { novalidate: true },
      field(text("page.teams.name"), name),
      this.#me.role === "admin"
        ? boxes("team-managers", text("page.teams.managers"), able.map((user) => [user.id, nameOf(user), team?.managerIds.includes(user.id)]), text("page.teams.managers_hint"))
        : element("p", { class: "hint" }, text("page.teams.managers_fixed")),
      element("div", { class: "actions" },
        element("button", { type: "submit", class: "primary" }, text(team ? "page.dialog.save" : "page.teams.create")),
        element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))),
    );
    const dialog = new Dialog(team ? text("page.teams.edit_title", { team: team.name }) : text("page.teams.new"), form);
    let [key, sent] = [newKey(), ""];
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const managerIds = this.#me.role === "admin" ? [...ticked(form, "team-managers"), ...this.#unseen(known, able)] : known.managerIds;
      const body = { name: name.value.trim(), managerIds };
      if (!allRight(form, body.name ? [] : [[name, text("page.teams.name_missing")]])) return;
      if (sent !== JSON.stringify(body)) [key, sent] = [newKey(), JSON.stringify(body)];
      const isDone = await dialog.run(async () => {
        try {
          if (known) await put(`/teams/${known.id}`, body, { version: known.version });
          else await post("/teams", body, { key });
        } catch (problem) {
          if (problem.code === "name_taken") allRight(form, [[name, inWords(problem)]]);
          if (problem.status === 412) known = await this.#afresh(known, name, form);
          throw problem;
        }
        await this.#directory.fetchTeams();
      });
      if (!isDone) return;
      this.#list();
      dialog.close();
      notify("done", "good", text("page.teams.saved", { team: body.name }));
    });
    await dialog.open();
  }

  // Managers whom the form does not offer, such as a disabled account, stay.
  #unseen(team, able) {
    return (team?.managerIds ?? []).filter((id) => !able.some((user) => user.id === id));
  }

  /** The team as somebody else has made it, shown in the form. */
  async #afresh({ id }, name, form) {
    const team = await get(`/teams/${id}`);
    name.value = team.name;
    for (const box of form.querySelectorAll("input[name=team-managers]")) box.checked = team.managerIds.includes(box.value);
    await this.#directory.fetchTeams();
    this.#list();
    return team;
  }

  async #delete(team) {
    dismissAll();
    const isDone = await confirmed({
      title: text("page.teams.delete_title", { team: team.name }), says: text("page.teams.delete_what"), action: text("page.teams.delete"),
      run: async () => {
        await del(`/teams/${team.id}`);
        await this.#directory.fetchTeams();
      },
    });
    if (!isDone) return;
    this.#list();
    byId("teams-title").focus();
    notify("done", "good", text("page.teams.deleted", { team: team.name }));
  }
}

await start(async (me) => new Teams(me, await Directory.of(me)));
