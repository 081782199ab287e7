// The vehicles page: what there is to sell, entered by hand or taken from a file.

import { address, del, download, get } from "./api.js";
import { bearer } from "./access.js";
import { confirmed, inWords } from "./dialog.js";
import { Drop } from "./drop.js";
import { byId, element } from "./element.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { problemOf } from "./problem.js";
import { start } from "./start.js";
import { nothing, Table } from "./table.js";
import { locale, text } from "./texts.js";
import { askFacts } from "./vehicle-form.js";

const LIMIT = 20;

class Vehicles {
  #me;
  #offset = 0;
  #file = null;
  #table = new Table(byId("vehicles"), () => this.#columns());

  constructor(me) {
    this.#me = me;
    const drop = new Drop({ id: "inventory", accept: ".csv,text/csv", hint: "page.vehicles.drop", action: "page.vehicles.choose", chosen: ([file]) => void this.#look(file) });
    byId("import").replaceChildren(drop.root);
    byId("search").addEventListener("submit", (event) => { event.preventDefault(); this.#offset = 0; void this.show(); });
    byId("vehicle-new").addEventListener("click", () => void this.#edit(null));
    byId("vehicle-export").addEventListener("click", () => void this.#export());
    byId("page").hidden = false;
  }

  async show() {
    const { items, total } = await get("/vehicles", { q: byId("q").value.trim(), offset: this.#offset, limit: LIMIT });
    this.#table.show(items, { empty: text("page.vehicles.none") });
    showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
      this.#offset = offset;
      void this.show();
    });
  }

  #columns() {
    const money = (cents) => (cents === null ? nothing() : new Intl.NumberFormat(locale(), { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" }).format(cents / 100));
    const mayDelete = ["admin", "manager"].includes(this.#me.role);
    return {
      caption: text("page.vehicles.title"),
      columns: [
        { head: text("page.vehicles.name"), isName: true, cell: ({ id, facts }) => element("button", { type: "button", class: "link", id: `vehicle-${id}`, onclick: () => void this.#edit(id) }, [facts.year, facts.make, facts.model, facts.trim].filter(Boolean).join(" ")) },
        { head: text("page.vehicles.fields.vin"), cell: ({ vin }) => element("code", {}, vin) },
        { head: text("page.vehicles.fields.mileage"), isNumber: true, cell: ({ facts }) => (facts.mileage === null ? nothing() : facts.mileage.toLocaleString(locale())) },
        { head: text("page.vehicles.fields.price"), isNumber: true, cell: ({ facts }) => money(facts.priceCents) },
        ...(mayDelete ? [{ head: text("page.vehicles.actions"), cell: (one) => element("button", { type: "button", class: "small", id: `delete-${one.id}`, onclick: () => void this.#remove(one) }, text("page.vehicles.delete")) }] : []),
      ],
    };
  }

  async #edit(id) {
    try {
      if (await askFacts(id === null ? null : await get(`/vehicles/${id}`))) await this.show();
    } catch (problem) {
      notify("vehicles", "bad", inWords(problem));
    }
  }

  async #remove({ id, vin }) {
    const isDone = await confirmed({ title: text("page.vehicles.delete_title", { vin }), says: text("page.vehicles.delete_what"), action: text("page.vehicles.delete"), run: () => del(`/vehicles/${id}`) });
    if (isDone) await this.show();
  }

  async #export() {
    try {
      await download("/inventory", "vehicles.csv");
    } catch (problem) {
      notify("vehicles", "bad", inWords(problem));
    }
  }

  // files

  async #look(file) {
    dismissAll();
    this.#file = file;
    await this.#send(true);
  }

  /** Sends the file; `isDry`: only to be looked at. */
  async #send(isDry) {
    try {
      const answer = await fetch(address("/inventory", { dry: isDry }), { method: "POST", headers: { Authorization: `Bearer ${await bearer()}`, "Content-Type": "text/csv" }, body: this.#file });
      if (!answer.ok) throw await problemOf(answer);
      this.#found(await answer.json(), isDry);
      if (!isDry) await this.show();
    } catch (problem) {
      byId("import-found").replaceChildren(element("p", { class: "error", role: "alert" }, inWords(problem)));
    }
  }

  #found({ added, changed, unchanged, faulty, faults, unknown }, isDry) {
    const told = text(isDry ? "page.vehicles.would" : "page.vehicles.took", { added, changed, unchanged, faulty });
    byId("import-found").replaceChildren(
      element("p", {}, told),
      unknown.length ? element("p", { class: "hint" }, text("page.vehicles.unknown", { columns: unknown.join(", ") })) : "",
      faults.length ? element("ul", { class: "import-faults" }, ...faults.map(({ line, column, message }) => element("li", {}, text("page.vehicles.fault", { line, column, message })))) : "",
      isDry && added + changed > 0 ? element("button", { type: "button", class: "primary", id: "import-take", onclick: () => void this.#send(false) }, text("page.vehicles.take", { count: added + changed })) : "",
    );
  }
}

await start(async (me) => new Vehicles(me));
