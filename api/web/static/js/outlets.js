// Where published content goes: people on mailing lists, and webhooks.

import { del, get, newKey, post } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { Form } from "./form.js";
import { notify } from "./notices.js";
import { showPager } from "./pager.js";
import { start } from "./start.js";
import { badge, Table } from "./table.js";
import { text } from "./texts.js";

const LIMIT = 20;

class Outlets {
  #offset = 0;
  #people = new Table(byId("subscribers"), () => this.#columns());
  #hooks = new Table(byId("webhooks"), () => this.#hookColumns());

  constructor() {
    const person = new Form({
      id: "subscriber", submit: "page.outlets.add", quiet: true,
      fields: [
        { name: "email", type: "email", label: "page.outlets.email", maxlength: "254", autocomplete: "off" },
        { name: "name", label: "page.outlets.name", maxlength: "80", optional: true, autocomplete: "off" },
        { name: "list", label: "page.outlets.list", maxlength: "40", autocomplete: "off" },
        { name: "source", label: "page.outlets.source", hint: "page.outlets.source_hint", maxlength: "80", autocomplete: "off" },
      ],
      send: async ({ email, name, list, source }) => {
        await post("/subscribers", { email, name, lists: [list], source }, { key: newKey() });
        person.fill({ email: "", name: "" });
        await this.show();
      },
    });
    const hook = new Form({
      id: "webhook", submit: "page.outlets.add_hook", quiet: true,
      fields: [
        { name: "name", label: "page.outlets.hook_name", maxlength: "80", autocomplete: "off" },
        { name: "url", type: "url", label: "page.outlets.hook_url", maxlength: "500", autocomplete: "off" },
      ],
      send: async (values) => {
        const { secret } = await post("/webhooks", values, { key: newKey() });
        byId("webhook-secret").replaceChildren(element("p", { class: "secret" }, text("page.outlets.secret"), " ", element("code", {}, secret)));
        hook.fill({ name: "", url: "" });
        await this.show();
      },
    });
    byId("subscriber-add").replaceChildren(person.root);
    byId("webhook-add").replaceChildren(hook.root);
    byId("page").hidden = false;
  }

  async show() {
    const [people, hooks] = await Promise.all([get("/subscribers", { offset: this.#offset, limit: LIMIT }), get("/webhooks")]);
    this.#people.show(people.items, { empty: text("page.outlets.no_subscribers") });
    this.#hooks.show(hooks.items, { empty: text("page.outlets.no_webhooks") });
    showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total: people.total, shown: people.items.length }, (offset) => {
      this.#offset = offset;
      void this.show();
    });
  }

  #columns() {
    return {
      caption: text("page.outlets.subscribers"),
      columns: [
        { head: text("page.outlets.email"), isName: true, cell: ({ email }) => email },
        { head: text("page.outlets.name"), cell: ({ name }) => name },
        { head: text("page.outlets.lists"), cell: ({ lists, unsubscribedAt }) => (unsubscribedAt ? badge("warn", text("page.outlets.unsubscribed")) : lists.join(", ")) },
        { head: text("page.vehicles.actions"), cell: ({ id, email }) => this.#remover(`/subscribers/${id}`, id, email) },
      ],
    };
  }

  #hookColumns() {
    return {
      caption: text("page.outlets.webhooks"),
      columns: [
        { head: text("page.outlets.hook_name"), isName: true, cell: ({ name }) => name },
        { head: text("page.outlets.hook_url"), cell: ({ url }) => element("code", {}, url) },
        { head: text("page.vehicles.actions"), cell: ({ id, name }) => this.#remover(`/webhooks/${id}`, id, name) },
      ],
    };
  }

  #remover(path, id, name) {
    const remove = async () => {
      try {
        const isDone = await confirmed({ title: text("page.outlets.delete_title", { name }), says: [], action: text("page.vehicles.delete"), run: () => del(path) });
        if (isDone) await this.show();
      } catch (problem) {
        notify("outlets", "bad", inWords(problem));
      }
    };
    return element("button", { type: "button", class: "small", id: `delete-${id}`, "aria-label": `${text("page.vehicles.delete")} ${name}`, onclick: () => void remove() }, text("page.vehicles.delete"));
  }
}

await start(async () => new Outlets());
