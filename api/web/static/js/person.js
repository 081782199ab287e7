// What may be done about one person, in a dialog over the list: each part only to whom their role allows it.

import { del, download, get, post, put } from "./api.js";
import { deviceOf } from "./device.js";
import { confirmed, Dialog, inWords } from "./dialog.js";
import { roleOf, ROLES } from "./directory.js";
import { element } from "./element.js";
import { boxes, choice, field, ticked } from "./fields.js";
import { Form } from "./form.js";
import { nameOf } from "./me.js";
import { dateAndTime } from "./moment.js";
import { notify } from "./notices.js";
import { profileFields } from "./profile.js";
import { text } from "./texts.js";

export class Person {
  #me;
  #directory;
  #user;
  #changed;
  #dialog;

  /** `changed()` (async) shows the list afresh after something was done. */
  constructor(me, directory, user, changed) {
    this.#me = me;
    this.#directory = directory;
    this.#user = user;
    this.#changed = changed;
  }

  /** Opens; resolves when it is closed. */
  open() {
    this.#dialog = new Dialog(nameOf(this.#user));
    this.#show();
    return this.#dialog.open();
  }

  #show() {
    const isAdmin = this.#me.role === "admin";
    const isMe = this.#user.id === this.#me.id;
    this.#dialog.replace(...[
      this.#facts(),
      isAdmin ? this.#access(isMe) : null,
      isAdmin && !isMe && this.#user.status !== "invited" ? this.#profile() : null,
      this.#account(isAdmin, isMe),
      isAdmin ? this.#signIns() : null,
      isAdmin ? this.#data(isMe) : null,
    ].filter(Boolean));
  }

  #facts() {
    const { email, role, teamIds, status, secondFactor, createdAt } = this.#user;
    const rows = [
      [text("page.people.email"), email],
      [text("page.people.role"), roleOf(role)],
      [text("page.people.teams"), teamIds.map((id) => this.#directory.name(id) ?? "?").join(", ") || text("page.list.none")],
      [text("page.people.account"), text(`page.people.state.${status}`)],
      [text("page.people.factor"), text(secondFactor ? "page.people.factor_on" : "page.people.factor_off")],
      [text("page.people.since"), dateAndTime(createdAt)],
    ];
    return element("dl", { class: "facts" }, ...rows.map(([term, said]) => element("div", {}, element("dt", {}, term), element("dd", {}, said))));
  }

  #access(isMe) {
    const { role, teamIds } = this.#user;
    const chosen = choice("person-role", ROLES.map((each) => [each, roleOf(each)]), role);
    chosen.disabled = isMe;
    const { teams } = this.#directory;
    const form = element(
      "form", { novalidate: true },
      field(text("page.people.role"), chosen, isMe ? text("page.people.own_role") : null),
      teams.length ? boxes("person-teams", text("page.people.teams"), teams.map(({ id, name }) => [id, name, teamIds.includes(id)])) : null,
      element("div", { class: "actions" }, element("button", { type: "submit", class: "primary", id: "person-save" }, text("page.people.access_save"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#saved(chosen.value, ticked(form, "person-teams"));
    });
    return part("page.people.access", form);
  }

  #profile() {
    const { id, profile } = this.#user;
    const form = new Form({
      id: "person-profile", submit: "page.people.profile_save", fields: profileFields(profile, false), quiet: true,
      send: (values) => this.#do(async () => {
        this.#user = await put(`/users/${id}/profile`, { ...profile, ...values }, { version: this.#user.version });
      }, "page.people.saved"),
    });
    return part("page.people.profile", form.root);
  }

  #account(isAdmin, isMe) {
    const { status, secondFactor } = this.#user;
    const mayInvite = isAdmin || (this.#me.role === "manager" && this.#user.role === "salesperson");
    const buttons = [
      status === "invited" && mayInvite ? button("again", "page.people.again", () => this.#inviteAgain()) : null,
      isAdmin && !isMe && status !== "disabled" ? button("disable", "page.people.disable", () => this.#disable()) : null,
      isAdmin && !isMe && status === "disabled" ? button("enable", "page.people.enable", () => this.#enable()) : null,
      isAdmin && !isMe && secondFactor ? button("factor", "page.people.factor_remove", () => this.#removeFactor()) : null,
    ].filter(Boolean);
    if (isAdmin && isMe) return part("page.people.account", element("p", { class: "hint" }, text("page.people.own_account")));
    return buttons.length ? part("page.people.account", element("div", { class: "actions" }, ...buttons)) : null;
  }

  #signIns() {
    const list = element("ul", { class: "plain-list" }, element("li", { class: "hint" }, text("page.list.loading")));
    void get(`/users/${this.#user.id}/sign-ins`).then(
      ({ items }) => list.replaceChildren(...(items.length
        ? items.map(({ userAgent, lastUsedAt }) => element("li", {}, text("page.people.sign_in", { agent: deviceOf(userAgent), when: dateAndTime(lastUsedAt) })))
        : [element("li", { class: "hint" }, text("page.people.sign_ins_none"))])),
      (problem) => list.replaceChildren(element("li", { class: "error" }, inWords(problem))),
    );
    return part("page.people.sign_ins", list, element("div", { class: "actions" }, button("sign-out", "page.people.sign_out", () => this.#signOut())));
  }

  #data(isMe) {
    return part("page.people.data", element(
      "div", { class: "actions" },
      button("export", "page.people.export", () => this.#export()),
      isMe ? null : button("erase", "page.people.erase", () => this.#erase(), "danger"),
    ));
  }

  // what is done

  get #name() { return nameOf(this.#user); }

  async #saved(role, teamIds) {
    await this.#do(async () => {
      const path = `/users/${this.#user.id}`;
      if (role !== this.#user.role) this.#user = await put(`${path}/role`, { role }, { version: this.#user.version });
      if (String([...teamIds].sort()) !== String([...this.#user.teamIds].sort())) {
        this.#user = await put(`${path}/teams`, { teamIds }, { version: this.#user.version });
      }
    }, "page.people.saved");
  }

  async #inviteAgain() {
    const { id, email } = this.#user;
    await this.#do(() => post(`/users/${id}/invitation`), "page.people.invited_again", { email });
  }

  async #disable() {
    await this.#ask("page.people.disable_title", "page.people.disable_what", "page.people.disable", "page.people.disabled", async () => {
      this.#user = await put(`/users/${this.#user.id}/status`, { status: "disabled" }, { version: this.#user.version });
    });
  }

  async #enable() {
    await this.#do(async () => {
      this.#user = await put(`/users/${this.#user.id}/status`, { status: "active" }, { version: this.#user.version });
    }, "page.people.enabled");
  }

  async #removeFactor() {
    await this.#ask("page.people.factor_title", "page.people.factor_what", "page.people.factor_remove", "page.people.factor_removed", () => del(`/users/${this.#user.id}/second-factor`));
  }

  async #signOut() {
    await this.#ask("page.people.sign_out_title", "page.people.sign_out_what", "page.people.sign_out", "page.people.signed_out", () => del(`/users/${this.#user.id}/sign-ins`));
  }

  async #export() {
    await this.#do(() => {
      notify("done", "info", text("page.people.exporting", { name: this.#name }));
      return download(`/users/${this.#user.id}/export`, `forecourt-${this.#user.email}.zip`);
    }, "page.people.exported");
  }

  async #erase() {
    const name = this.#name;
    const isDone = await confirmed({
      title: text("page.people.erase_title", { name }), says: text("page.people.erase_what"), action: text("page.people.erase_do"),
      typed: this.#user.email, run: () => del(`/users/${this.#user.id}`),
    });
    if (!isDone) return;
    this.#dialog.close();
    notify("done", "good", text("page.people.erased", { name }));
    await this.#changed();
  }

  async #ask(title, says, action, done, run) {
    const name = this.#name;
    const isDone = await confirmed({
      title: text(title, { name }), says: text(says), action: text(action),
      run: async () => {
        try {
          await run();
        } catch (problem) {
          await this.#afresh(problem);
          throw problem;
        }
      },
    });
    if (isDone) await this.#do(async () => {}, done);
  }

  /** Does `work`, then shows what has become of the person, here and in the list. */
  async #do(work, done, parameters = {}) {
    const isDone = await this.#dialog.run(async () => {
      try {
        await work();
      } catch (problem) {
        await this.#afresh(problem);
        throw problem;
      }
      this.#user = await get(`/users/${this.#user.id}`);
    });
    if (!isDone) return;
    const { id } = document.activeElement ?? {};
    this.#show();
    this.#dialog.title(this.#name);
    this.#dialog.focus(id);
    this.#dialog.say(text(done, { name: this.#name, ...parameters }));
    await this.#changed();
  }

  // Somebody else was first: what is shown is what they made of it.
  async #afresh(problem) {
    if (problem.status !== 412 && problem.status !== 409) return;
    this.#user = await get(`/users/${this.#user.id}`);
    this.#show();
    await this.#changed();
  }
}

function part(title, ...content) {
  return element("section", { class: "dialog-part" }, element("h3", {}, text(title)), ...content);
}

function button(id, key, run, kind = null) {
  return element("button", { type: "button", id: `person-${id}`, class: kind, onclick: () => void run() }, text(key));
}
