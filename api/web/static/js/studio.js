// The content studio: a vehicle, what is asked for, and its four channels side by side.

import { get, newKey, post } from "./api.js";
import { Channel } from "./channel.js";
import { inWords } from "./dialog.js";
import { byId, element } from "./element.js";
import { allRight, choice, field } from "./fields.js";
import { dismissAll, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { start } from "./start.js";
import { badge, Table } from "./table.js";
import { language, locale, text } from "./texts.js";

const LIMIT = 20;
const SEARCH_AFTER_MS = 250;
const TONES = ["friendly", "professional", "lively"];
const AUDIENCES = ["everyone", "families", "commuters", "first_buyers", "work"];
/** Which platform of each channel is offered first. */
const CHANNELS = [["social", ["facebook", "instagram", "x", "google"]], ["email", ["newsletter"]], ["print", ["flyer", "window"]], ["video", ["reel", "walkaround"]]];
const TONE_OF = { draft: "info", review: "warn", published: "good" };

class Studio {
  #me;
  #offset = 0;
  #channels = [];
  #vehicles = [];
  #search = 0;
  #table = new Table(byId("projects"), () => this.#columns());

  constructor(me) {
    this.#me = me;
    byId("brief").addEventListener("submit", (event) => { event.preventDefault(); void this.#write(); });
    byId("page").hidden = false;
  }

  async show() {
    this.#drawBrief();
    await this.#find("");
    await this.#list();
    const wanted = new URLSearchParams(location.search).get("project");
    if (/^[0-9a-f]{24}$/.test(wanted ?? "") && !this.#channels.length) await this.#open(wanted);
    else for (const channel of this.#channels) channel.draw();
  }

  #drawBrief() {
    const chosen = (name) => document.getElementById(`brief-${name}`)?.value;
    const named = (kind, values) => values.map((value) => [value, text(`page.studio.${kind}.${value}`)]);
    const q = element("input", { type: "search", class: "text-input", id: "brief-q", maxlength: "80", autocomplete: "off", value: chosen("q") ?? "" });
    q.addEventListener("input", () => {
      clearTimeout(this.#search);
      this.#search = setTimeout(() => void this.#find(q.value), SEARCH_AFTER_MS);
    });
    const pick = (name, label, options, usual) => field(text(label), choice(`brief-${name}`, options, chosen(name) ?? usual));
    byId("brief").replaceChildren(
      element("div", { class: "vehicle-choice" },
        field(text("page.studio.search"), q),
        field(text("page.studio.vehicle"), choice("brief-vehicle", this.#options(), chosen("vehicle")))),
      pick("audience", "page.studio.audience", named("audiences", AUDIENCES), "everyone"),
      pick("tone", "page.studio.tone", named("tones", TONES), "friendly"),
      pick("language", "page.studio.language", [["en", "English"], ["es", "Español"]], language()),
      ...CHANNELS.filter(([, platforms]) => platforms.length > 1).map(([type, platforms]) => pick(type, `page.studio.types.${type}`, named("platforms", platforms), platforms[0])),
      element("button", { type: "submit", class: "primary", id: "brief-write" }, text("page.studio.write")),
    );
  }

  #options() {
    if (!this.#vehicles.length) return [["", text("page.studio.no_vehicle")]];
    return this.#vehicles.map(({ id, facts }) => [id, [facts.year, facts.make, facts.model, facts.trim, facts.stockNumber].filter(Boolean).join(" ")]);
  }

  async #find(q) {
    this.#vehicles = (await get("/vehicles", { q, limit: 100 })).items;
    const select = byId("brief-vehicle");
    const before = select.value;
    select.replaceChildren(...this.#options().map(([value, words]) => element("option", { value, selected: value === before }, words)));
  }

  /** Writes for all four channels. */
  async #write() {
    const vehicle = byId("brief-vehicle");
    if (!allRight(byId("brief"), vehicle.value ? [] : [[vehicle, text("page.studio.no_vehicle")]])) return;
    dismissAll();
    const settings = { targetAudience: byId("brief-audience").value, tone: byId("brief-tone").value, language: byId("brief-language").value };
    const button = byId("brief-write");
    button.disabled = true;
    try {
      const made = [];
      for (const [type, platforms] of CHANNELS) {
        const platform = document.getElementById(`brief-${type}`)?.value ?? platforms[0];
        made.push(await post("/content", { vehicleId: vehicle.value, type, settings: { ...settings, platform } }, { key: newKey() }));
      }
      this.#show(made);
      await this.#list();
    } catch (problem) {
      notify("studio", "bad", inWords(problem));
    } finally {
      button.disabled = false;
    }
  }

  async #open(id) {
    try {
      this.#show([await get(`/content/${id}`)]);
    } catch (problem) {
      notify("studio", "bad", inWords(problem));
    }
  }

  #show(projects) {
    for (const channel of this.#channels) channel.close();
    this.#channels = projects.map((project) => new Channel(this.#me, project, () => void this.#list()));
    byId("channels").replaceChildren(...this.#channels.map(({ root }) => root));
    this.#channels[0].focus();
  }

  async #list() {
    const { items, total } = await get("/content", { offset: this.#offset, limit: LIMIT });
    this.#table.show(items, { empty: text("page.studio.none") });
    showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
      this.#offset = offset;
      void this.#list();
    });
  }

  #columns() {
    const open = ({ id, title }) => element("button", { type: "button", class: "link", id: `open-${id}`, onclick: () => { dismissAll(); void this.#open(id); } }, title);
    return {
      caption: text("page.studio.projects"),
      columns: [
        { head: text("page.studio.name"), isName: true, cell: open },
        { head: text("page.studio.type"), cell: ({ type, settings }) => `${text(`page.studio.types.${type}`)}: ${text(`page.studio.platforms.${settings.platform}`)}` },
        { head: text("page.studio.status"), cell: ({ status }) => badge(TONE_OF[status], text(`page.studio.statuses.${status}`)) },
        { head: text("page.studio.changed"), cell: ({ updatedAt }) => new Date(updatedAt).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) },
      ],
    };
  }
}

await start(async (me) => new Studio(me));
