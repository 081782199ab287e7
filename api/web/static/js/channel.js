// One project in the studio: its text to edit, what is wrong with it, how it will look, and its way out.

import { address, download, get, newKey, post, put } from "./api.js";
import { announce } from "./announce.js";
import { showChanges } from "./changes.js";
import { confirmed, Dialog, inWords } from "./dialog.js";
import { badge } from "./table.js";
import { element } from "./element.js";
import { allRight, choice, field } from "./fields.js";
import { keepingFocus } from "./focus.js";
import { notify } from "./notices.js";
import { showPrompter } from "./teleprompter.js";
import { has, locale, text } from "./texts.js";

const TONE_OF = { draft: "info", review: "warn", published: "good" };
const LOOK_AGAIN_MS = 2_000;
const PUBLISHERS = ["admin", "manager"];

export class Channel {
  #me;
  #project;
  #changed;
  #timer = 0;
  #pending = Promise.resolve();

  /** `changed()` is told when the project is another. */
  constructor(me, project, changed) {
    this.#me = me;
    this.#project = project;
    this.#changed = changed;
    this.root = element("section", { class: "panel channel", id: `channel-${project.id}`, "aria-labelledby": `title-${project.id}` });
    this.draw();
  }

  focus() {
    this.root.querySelector("h2").focus();
  }

  close() {
    clearTimeout(this.#timer);
  }

  draw() {
    const project = this.#project;
    const isDraft = project.status === "draft";
    keepingFocus(() => this.root.replaceChildren(...[
      element("div", { class: "channel-head" },
        element("h2", { id: this.#id("title"), tabindex: "-1" }, `${text(`page.studio.types.${project.type}`)}: ${text(`page.studio.platforms.${project.settings.platform}`)}`),
        badge(TONE_OF[project.status], text(`page.studio.statuses.${project.status}`))),
      element("p", { class: "hint" }, project.title),
      project.fallback ? element("p", { class: "told" }, text(`page.studio.fallback.${project.fallback}`)) : null,
      project.factsChanged ? element("p", { class: "told" }, text("page.studio.facts_changed")) : null,
      this.#findings(null),
      ...project.content.text.map((passage, at) => this.#passage(passage, at, isDraft)),
      element("p", { class: "use", id: this.#id("total") }, this.#uses(null)),
      this.#actions(isDraft),
      this.#preview(),
      this.#details("remarks", "page.studio.remarks", (place) => this.#remarks(place)),
      this.#details("versions", "page.studio.versions", (place) => this.#versions(place)),
      project.status === "published" ? this.#details("deliveries", "page.studio.deliveries", (place) => this.#deliveries(place)) : null,
    ].filter(Boolean)));
  }

  // the text

  #passage({ role, text: words, shows, seconds }, at, isDraft) {
    const id = this.#id(`passage-${at}`);
    const area = element("textarea", { id, class: "text-input", rows: "3", maxlength: "4000", readonly: !isDraft, dir: "auto", "aria-describedby": `${id}-use` });
    area.value = words;
    area.addEventListener("input", () => this.#typed(at, area.value));
    const shot = role !== "shot" ? [] : [element("div", { class: "shot-fields" },
      field(text("page.studio.shows"), element("input", { id: `${id}-shows`, class: "text-input", maxlength: "200", readonly: !isDraft, value: shows })),
      field(text("page.studio.seconds"), element("input", { id: `${id}-seconds`, type: "number", class: "text-input", min: "1", max: "120", step: "0.5", readonly: !isDraft, value: seconds ?? "" })))];
    return element("div", { class: "passage" },
      element("label", { for: id }, `${text(`page.studio.roles.${role}`)}${role === "shot" ? ` ${at + 1}` : ""}`),
      area, ...shot,
      element("p", { class: "use", id: `${id}-use` }, this.#uses(at)),
      this.#findings(at));
  }

  #uses(at) {
    const own = this.#project.limits.filter(({ passage }) => passage === at);
    return own.map(({ name, used, most }) => text(at === null && has(`page.studio.limits.${name}`) ? `page.studio.limits.${name}` : "page.studio.limits.characters", { used, most })).join(" · ");
  }

  /** Counts while somebody types; the node judges what is saved. */
  #typed(at, value) {
    const use = this.root.querySelector(`#${CSS.escape(this.#id(`passage-${at}`))}-use`);
    const limit = this.#project.limits.find(({ passage }) => passage === at);
    if (!limit) return;
    const used = [...value].length;
    use.textContent = text("page.studio.limits.characters", { used, most: limit.most });
    use.dataset.over = String(used > limit.most);
  }

  #findings(at) {
    const own = this.#project.findings.filter(({ passage }) => passage === at);
    return element("div", { class: "findings" }, ...own.map((one) => this.#finding(one)));
  }

  #finding({ id, rule, severity, message, source, quote, overridden, parameters }) {
    const key = `content.finding.${rule}`;
    const mayOverride = severity === "blocking" && !overridden && this.#project.status !== "published" && PUBLISHERS.includes(this.#me.role);
    return element("div", { class: "finding", "data-severity": severity, "data-overridden": String(overridden), "data-rule": rule },
      element("p", {}, quote ? element("q", {}, quote) : null, quote ? " " : null, has(key) ? text(key, parameters) : message),
      element("p", { class: "source" }, `${text(overridden ? "page.studio.overridden" : `page.studio.severity.${severity}`)} · ${source}`),
      mayOverride ? element("button", { type: "button", class: "small", id: this.#id(`override-${id}`), onclick: () => this.#override(id) }, text("page.studio.override")) : null);
  }

  // what can be done

  #actions(isDraft) {
    const { status, type } = this.#project;
    const publishes = PUBLISHERS.includes(this.#me.role);
    const button = (name, key, run, isPrimary = false) => element("button", { type: "button", id: this.#id(name), class: isPrimary ? "primary" : null, onclick: run }, text(key));
    return element("div", { class: "actions" },
      ...(isDraft ? [
        button("save", "page.studio.save", () => this.#save(), true),
        button("again", "page.studio.again", () => this.#do("generate", {}, "page.studio.done.again")),
        button("rewrite", "page.studio.rewrite", () => this.#do("rewrite", undefined, "page.studio.done.rewrite")),
        button("submit", "page.studio.submit", () => this.#submit()),
      ] : []),
      ...(status === "review" && publishes ? [
        button("approve", "page.studio.approve", () => this.#do("approve", undefined, "page.studio.done.approve"), true),
        button("return", "page.studio.return", () => this.#sendBack()),
      ] : []),
      ...(status === "published" && publishes ? [button("publish", "page.studio.publish", () => this.#publish(), true)] : []),
      ...(isDraft ? [] : [button("revise", "page.studio.revise", () => this.#do("revise", undefined, "page.studio.done.revise"))]),
      button("download", "page.studio.download", () => this.#saveFile("download", `${this.#project.settings.platform}.zip`)),
      type === "print" ? button("sheet", "page.studio.sheet", () => this.#saveFile("sheet", "sheet.pdf")) : null,
      type === "video" ? button("prompter", "page.studio.prompter", () => showPrompter(this.#project.content.text)) : null);
  }

  /** The text as it stands in the fields. */
  #edited() {
    const value = (id) => this.root.querySelector(`#${CSS.escape(id)}`)?.value;
    return this.#project.content.text.map((passage, at) => {
      const id = this.#id(`passage-${at}`);
      const seconds = Number(value(`${id}-seconds`));
      return { ...passage, text: value(id), shows: value(`${id}-shows`) ?? passage.shows, seconds: seconds > 0 ? seconds : passage.seconds };
    });
  }

  get #isEdited() {
    return this.#project.status === "draft" && JSON.stringify(this.#edited()) !== JSON.stringify(this.#project.content.text);
  }

  async #save() {
    return this.#take(async () => {
      const body = { title: this.#project.title, text: this.#edited(), images: this.#project.content.images };
      return put(this.#path(), body, { version: this.#project.version });
    }, "page.studio.done.save");
  }

  async #submit() {
    await this.#pending;
    if (this.#isEdited && !await this.#save()) return;
    await this.#do("submit", undefined, "page.studio.done.submit");
  }

  async #do(what, body, said) {
    await this.#take(() => post(this.#path(`/${what}`), body), said);
  }

  /** Runs `work` after what was asked for before; it resolves with the project as it is now. Whether it went well. */
  #take(work, said) {
    this.#pending = this.#pending.then(() => this.#taken(work, said));
    return this.#pending;
  }

  async #taken(work, said) {
    this.root.setAttribute("aria-busy", "true");
    try {
      this.#project = await work();
    } catch (problem) {
      notify(this.#id("problem"), "bad", inWords(problem));
      return false;
    } finally {
      this.root.removeAttribute("aria-busy");
    }
    this.draw();
    announce(text(this.#project.fallback && said === "page.studio.done.rewrite" ? `page.studio.fallback.${this.#project.fallback}` : said));
    this.#changed();
    return true;
  }

  #override(finding) {
    return this.#ask("page.studio.override", "page.studio.override_why", (reason) => post(this.#path("/overrides"), { finding, reason }), "page.studio.done.override");
  }

  #sendBack() {
    return this.#ask("page.studio.return", "page.studio.return_why", (reason) => post(this.#path("/return"), { reason }), "page.studio.done.return");
  }

  /** Asks for a reason of ten letters and more. */
  async #ask(title, label, send, said) {
    const reason = element("textarea", { id: "reason", class: "text-input", rows: "3", maxlength: "500", autofocus: true });
    const form = element("form", { novalidate: true },
      field(text(label), reason),
      element("div", { class: "actions" }, element("button", { type: "submit", class: "primary" }, text(title)), element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))));
    const dialog = new Dialog(text(title), form);
    let made = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!allRight(form, reason.value.trim().length < 10 ? [[reason, text("page.studio.reason_short")]] : [])) return;
      if (await dialog.run(async () => { made = await send(reason.value.trim()); })) dialog.close();
    });
    await dialog.open();
    if (made) await this.#take(async () => made, said);
  }

  async #publish() {
    const [lists, hooks] = await Promise.all([get("/lists"), get("/webhooks")]);
    const options = [
      ...(this.#project.type === "email" ? lists.items.map(({ name, people }) => [`email:${name}`, text("page.studio.to_list", { name, people })]) : []),
      ...hooks.items.map(({ id, name }) => [`webhook:${id}`, text("page.studio.to_webhook", { name })]),
    ];
    if (!options.length) {
      notify(this.#id("problem"), "warn", text("page.studio.no_outlets"));
      return;
    }
    const select = choice("outlet", options, options[0][0]);
    const form = element("form", { novalidate: true }, field(text("page.studio.outlet"), select),
      element("div", { class: "actions" }, element("button", { type: "submit", class: "primary" }, text("page.studio.send"))));
    const dialog = new Dialog(text("page.studio.publish"), form);
    const key = newKey();
    let isSent = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [outlet, target] = [select.value.slice(0, select.value.indexOf(":")), select.value.slice(select.value.indexOf(":") + 1)];
      isSent = await dialog.run(() => post(this.#path("/deliveries"), { outlet, ...(outlet === "email" ? { list: target } : { webhookId: target }) }, { key }));
      if (isSent) dialog.close();
    });
    await dialog.open();
    if (!isSent) return;
    announce(text("page.studio.done.publish"));
    const place = this.root.querySelector(`#${CSS.escape(this.#id("deliveries"))}`);
    place.open = true;
    await this.#deliveries(place.querySelector("div"));
  }

  async #saveFile(what, name) {
    try {
      await download(this.#path(`/${what}`), name);
    } catch (problem) {
      notify(this.#id("problem"), "bad", inWords(problem));
    }
  }

  // around the text

  /** How it will look; its frame sends no token, so that a cookie is asked for first. */
  #preview() {
    return this.#details("preview", "page.studio.preview", async (place) => {
      await post(this.#path("/media"));
      place.replaceChildren(element("iframe", { class: "seen", sandbox: "", src: address(this.#path("/preview")), title: text("page.studio.preview") }));
    });
  }

  #details(name, key, fill) {
    const place = element("div", { class: name });
    const wasOpen = this.root.querySelector(`#${CSS.escape(this.#id(name))}`)?.open ?? false;
    const details = element("details", { id: this.#id(name) }, element("summary", { id: this.#id(`${name}-summary`) }, text(key)), place);
    details.addEventListener("toggle", () => {
      if (details.open) fill(place).catch((problem) => notify(this.#id("problem"), "bad", inWords(problem)));
    });
    details.open = wasOpen;
    return details;
  }

  async #remarks(place) {
    const { items } = await get(this.#path("/comments"), { limit: 200 });
    const area = element("textarea", { id: this.#id("remark"), class: "text-input", rows: "2", maxlength: "2000" });
    const form = element("form", { novalidate: true }, field(text("page.studio.remark"), area), element("button", { type: "submit", class: "small" }, text("page.studio.remark_send")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!area.value.trim()) return;
      try {
        await post(this.#path("/comments"), { text: area.value.trim() }, { key: newKey() });
        await this.#remarks(place);
      } catch (problem) {
        notify(this.#id("problem"), "bad", inWords(problem));
      }
    });
    place.replaceChildren(
      ...items.map(({ authorName, createdAt, text: said, revision }) => element("div", { class: "remark" },
        element("p", { class: "by" }, `${authorName} · ${text("page.studio.version", { number: revision })} · ${moment(createdAt)}`), element("p", { dir: "auto" }, said))),
      form);
  }

  async #versions(place) {
    const { items } = await get(this.#path("/versions"), { limit: 200 });
    const select = choice(this.#id("version"), items.map(({ number, authorName, createdAt }) => [String(number), `${text("page.studio.version", { number })} · ${authorName} · ${moment(createdAt)}`]), String(items[1]?.number ?? items[0]?.number));
    const shown = element("div", {});
    const compare = async () => {
      const { content, number } = await get(this.#path(`/versions/${select.value}`));
      showChanges(shown, { before: whole(content.text), after: whole(this.#project.content.text), against: text("page.studio.version", { number }) });
    };
    select.addEventListener("change", () => void compare());
    const restore = element("button", { type: "button", class: "small", id: this.#id("restore"), onclick: () => void confirmed({
      title: text("page.studio.restore"), says: text("page.studio.restore_what"), action: text("page.studio.restore"), isDanger: false,
      run: async () => { this.#project = await post(this.#path(`/versions/${select.value}/restore`)); },
    }).then((isDone) => { if (isDone) { this.draw(); this.#changed(); } }) }, text("page.studio.restore"));
    place.replaceChildren(field(text("page.studio.compare"), select), shown, ...(this.#project.status === "draft" ? [restore] : []));
    if (items.length) await compare();
  }

  async #deliveries(place) {
    clearTimeout(this.#timer);
    const { items } = await get(this.#path("/deliveries"), { limit: 50 });
    place.replaceChildren(
      ...(items.length ? items.map((one) => element("div", { class: "delivery", "data-status": one.status },
        element("p", {}, text(`page.studio.outlets.${one.outlet}`), " ", badge(one.status === "failed" ? "bad" : one.status === "delivered" ? "good" : "info", text(`page.studio.delivery.${one.status}`))),
        element("p", { class: "by" }, [moment(one.createdAt), one.outlet === "email" ? text("page.studio.sent", { sent: one.sent, refused: one.refused }) : null, one.error || null].filter(Boolean).join(" · "))))
        : [element("p", { class: "hint" }, text("page.studio.no_deliveries"))]));
    if (items.some(({ status }) => ["pending", "sending"].includes(status)) && this.root.isConnected) {
      this.#timer = setTimeout(() => void this.#deliveries(place), LOOK_AGAIN_MS);
    }
  }

  #id(name) {
    return `${name}-${this.#project.id}`;
  }

  #path(rest = "") {
    return `/content/${this.#project.id}${rest}`;
  }
}

const moment = (at) => new Date(at).toLocaleString(locale(), { dateStyle: "short", timeStyle: "short" });

/** A text as lines, to be compared. */
const whole = (passages) => passages.map(({ role, text: words, shows, seconds }) => [`[${text(`page.studio.roles.${role}`)}]${shows ? ` ${shows}` : ""}${seconds ? ` ${seconds} s` : ""}`, words].join("\n")).join("\n");
