// The photos page: begin with a vehicle, or go on with one.

import { get, newKey, post } from "./api.js";
import { Batch } from "./batch.js";
import { inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { allRight } from "./fields.js";
import { USUAL } from "./look.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { start } from "./start.js";
import { Table } from "./table.js";
import { locale, text } from "./texts.js";
import { bareVin, wrongOf } from "./vin.js";

const LIMIT = 20;

class Photos {
  #me;
  #batch = null;
  #offset = 0;
  #vin = byId("vin");
  #table = new Table(byId("batches"), () => this.#columns());

  constructor(me) {
    this.#me = me;
    byId("begin").addEventListener("submit", (event) => { event.preventDefault(); void this.#begin(); });
    this.#vin.addEventListener("input", () => this.#check(true));
    this.#vin.addEventListener("change", () => this.#check(false));
    addEventListener("hashchange", () => { dismissAll(); void this.#go(true); });
    addEventListener("beforeunload", (event) => { if (this.#batch?.isSending) event.preventDefault(); });
  }

  async show() {
    if (this.#batch) this.#batch.show();
    else await this.#go(false);
  }

  /** Shows what the address names: a batch, or all of them. */
  async #go(isMoved) {
    const id = location.hash.slice(1);
    this.#batch?.close();
    this.#batch = null;
    try {
      if (/^[0-9a-f]{24}$/.test(id)) await this.#open(id);
      else await this.#list();
      if (isMoved) document.querySelector("section:not([hidden]) h1").focus();
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      const missing = [403, 404].includes(problem.status);
      if (missing) history.replaceState(null, "", location.pathname);
      if (missing) await this.#go(isMoved);
      notify("page", "bad", missing ? text("page.photos.no_batch") : inWords(problem), missing ? [] : [{ label: text("page.try_again"), run: () => { dismissAll(); void this.#go(isMoved); } }]);
    }
  }

  async #open(id) {
    const batch = new Batch(this.#me, await get(`/batches/${id}`));
    // Another address may have been gone to meanwhile.
    if (location.hash.slice(1) !== id) return;
    this.#batch = batch;
    byId("list").hidden = true;
    byId("batch").hidden = false;
    batch.show();
    void batch.follow();
  }

  async #list() {
    byId("batch").hidden = true;
    byId("list").hidden = false;
    const { items, total } = await get("/batches", { offset: this.#offset, limit: LIMIT });
    this.#table.show(items, { empty: text("page.photos.none") });
    showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
      this.#offset = offset;
      void this.#go(false);
    });
  }

  #columns() {
    const day = (at) => new Date(at).toLocaleDateString(locale(), { dateStyle: "medium" });
    return {
      caption: text("page.photos.caption"),
      columns: [
        { head: text("page.photos.vin"), isName: true, cell: ({ id, vin }) => element("a", { href: `#${id}`, class: "vin" }, vin) },
        { head: text("page.photos.whose"), cell: ({ userId }) => (userId === this.#me.id ? text("page.photos.mine") : text("page.photos.theirs")) },
        { head: text("page.photos.begun"), cell: ({ createdAt }) => day(createdAt) },
        { head: text("page.photos.until"), cell: ({ expiresAt }) => day(expiresAt) },
      ],
    };
  }

  /** Whether the VIN is one; while it is typed only a whole one is judged. */
  #check(isTyping) {
    const vin = bareVin(this.#vin.value);
    const wrong = wrongOf(vin);
    const isSaid = wrong && (!isTyping || (wrong !== "length" && vin.length >= 17) || vin.length > 17);
    const said = byId("vin-error");
    said.hidden = !isSaid;
    if (isSaid) said.textContent = text(`page.photos.vin_wrong.${wrong}`, { count: vin.length });
    if (isSaid) this.#vin.setAttribute("aria-invalid", "true");
    else this.#vin.removeAttribute("aria-invalid");
    return !wrong;
  }

  async #begin() {
    if (!this.#check(false)) {
      this.#vin.focus();
      return;
    }
    dismissAll();
    try {
      const made = await post("/batches", { vin: bareVin(this.#vin.value), look: await this.#lastLook() }, { key: newKey() });
      this.#vin.value = "";
      location.hash = made.id;
    } catch (problem) {
      const known = problem.code === "vin_taken" && await this.#known();
      if (known) location.hash = known.id;
      else allRight(byId("begin"), [[this.#vin, inWords(problem)]]);
    }
  }

  /** As the vehicle before: a dealership's photos look alike. */
  async #lastLook() {
    const { items } = await get("/batches", { limit: 20 });
    return items.find(({ userId }) => userId === this.#me.id)?.look ?? USUAL;
  }

  /** One's own batch of the vehicle that is typed. */
  async #known() {
    const { items } = await get("/batches", { vin: bareVin(this.#vin.value) });
    return items.find(({ userId }) => userId === this.#me.id);
  }
}

await start(async (me) => new Photos(me));
