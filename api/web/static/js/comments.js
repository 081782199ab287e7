// What people say about moments of a call: threads, in the order of the moments.

import { del, get, newKey, post, put } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { byId, element, icon } from "./element.js";
import { MentionField } from "./mention.js";
import { clock, shortly } from "./moment.js";
import { notify } from "./notices.js";
import { iconOf } from "./stamps.js";
import { text } from "./texts.js";

const PAGE = 200;
const MOST = 2000;
/** What a person writes afterwards; notes and stamps of the live call are shown beside it. */
const THREADS = ["comment", "note", "stamp", "bookmark"];

export class Comments {
  #root = byId("comments");
  #told;
  #id = null;
  #items = [];
  #people = null;
  #mayWrite = false;
  #mayDelete = false;
  #span = null;
  #compose = null;
  #composeAt = null;

  /** `told`: {now() -> ms, seek(ms), changed(items)}. */
  constructor(told) {
    this.#told = told;
  }

  get items() { return this.#items; }

  /** Shows those of session `id`; `mayWrite`: there is something to say it about; `mayDelete`: what others wrote, too. */
  async show(id, mayWrite, mayDelete) {
    this.#id = id;
    this.#mayDelete = mayDelete;
    this.#mayWrite = mayWrite;
    this.#items = [];
    this.#people = null;
    this.#span = null;
    this.#compose = mayWrite ? this.#composer() : null;
    await this.#load();
  }

  /** Begins a comment about the moment that plays. */
  begin() {
    if (!this.#compose) return;
    this.#take(this.#told.now());
    this.#compose.field.focus();
  }

  /** Bookmarks the moment that plays. */
  async bookmark() {
    if (!this.#mayWrite) return;
    await this.#run(() => post(`/sessions/${this.#id}/annotations`, { kind: "bookmark", atMs: Math.round(this.#told.now()) }, { key: newKey() }));
  }

  /** Shows the thread of annotation `id`. */
  reveal(id) {
    const thread = document.getElementById(`thread-${id}`);
    if (!thread) return;
    thread.scrollIntoView({ block: "nearest" });
    thread.classList.add("shown");
    setTimeout(() => thread.classList.remove("shown"), 1600);
  }

  async #load() {
    const id = this.#id;
    try {
      const items = [];
      let total = 0;
      do {
        const page = await get(`/sessions/${id}/annotations`, { offset: items.length, limit: PAGE });
        total = page.total;
        items.push(...page.items);
        if (!page.items.length) break;
      } while (items.length < Math.min(total, MOST));
      if (id !== this.#id) return;
      this.#items = items;
    } catch (problem) {
      if (id !== this.#id) return;
      if (problem.status !== 409) notify("comments", "warn", inWords(problem), [{ label: text("page.try_again"), run: () => void this.#load() }]);
    }
    this.#draw();
    this.#told.changed(this.#items);
  }

  async #readers() {
    this.#people ??= get(`/sessions/${this.#id}/readers`).then(({ items }) => items, (problem) => {
      console.warn("Nobody can be named:", problem);
      this.#people = null;
      return [];
    });
    return this.#people;
  }

  #draw() {
    const replies = Map.groupBy ? Map.groupBy(this.#items.filter(({ parentId }) => parentId), ({ parentId }) => parentId) : grouped(this.#items);
    const threads = this.#items.filter(({ parentId, kind }) => !parentId && THREADS.includes(kind));
    const list = threads.length
      ? element("ol", { class: "threads" }, ...threads.map((one) => this.#thread(one, replies.get(one.id) ?? [])))
      : element("p", { class: "empty" }, text(this.#mayWrite ? "page.replay.no_comments" : "page.replay.no_comments_here"));
    this.#root.replaceChildren(...(this.#compose ? [this.#compose.root] : []), list);
  }

  // a thread

  #thread(one, replies) {
    return element(
      "li", { class: "thread", id: `thread-${one.id}`, "data-kind": one.kind },
      this.#comment(one),
      replies.length ? element("ol", { class: "replies" }, ...replies.map((reply) => element("li", {}, this.#comment(reply)))) : null,
      this.#mayWrite && one.kind === "comment" && one.text !== null ? this.#replier(one) : null,
    );
  }

  #comment(one) {
    const said = element("div", { class: "comment-text" }, ...this.#words(one));
    const buttons = (one.mine || this.#mayDelete) && (one.text !== null || one.kind !== "comment")
      ? element("div", { class: "comment-actions" },
        one.mine && one.kind === "comment" ? element("button", { type: "button", class: "link", onclick: () => this.#edit(one, said) }, text("page.replay.edit")) : null,
        element("button", { type: "button", class: "link danger-text", onclick: () => void this.#delete(one) }, text("page.replay.delete")))
      : null;
    const at = one.parentId ? null : element(
      "button", { type: "button", class: "at", onclick: () => this.#told.seek(one.atMs) },
      element("span", { class: "unseen" }, `${text("page.summary.play_from")} `), one.endMs ? `${clock(one.atMs)}–${clock(one.endMs)}` : clock(one.atMs));
    const edited = one.updatedAt !== one.createdAt && one.text !== null ? ` · ${text("page.replay.edited")}` : "";
    return element(
      "article", { class: "comment", id: `comment-${one.id}` },
      element("header", {}, at, element("strong", {}, one.authorName), element("span", { class: "when" }, shortly(one.createdAt) + edited)),
      said, buttons,
    );
  }

  #words(one) {
    if (one.kind === "stamp") return [icon(iconOf(one.stamp)), text(`page.stamp.${one.stamp}`)];
    if (one.kind === "bookmark" && !one.text) return [icon("bookmark"), text("page.replay.bookmark")];
    if (one.text === null) return [element("em", {}, text("page.replay.deleted"))];
    return [one.text];
  }

  // `mine`: what was typed before somebody else was found to have changed it.
  #edit(one, said, mine = null) {
    const field = new MentionField(() => this.#readers(), { label: text("page.replay.edit_label"), value: mine ?? one.text });
    const form = element(
      "form", { class: "comment-form" }, mine === null ? null : element("p", { class: "hint" }, text("page.replay.says_now", { text: one.text })), field.root,
      element("div", { class: "actions" },
        element("button", { type: "submit", class: "primary small" }, text("page.replay.save")),
        element("button", { type: "button", class: "small", onclick: () => this.#draw() }, text("page.dialog.cancel"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value) { field.field.focus(); return; }
      void this.#save(one, field);
    });
    said.replaceChildren(form);
    field.field.focus();
  }

  async #save(one, field) {
    try {
      await put(`/annotations/${one.id}`, { text: field.value, mentions: await field.mentions() }, { version: one.version });
    } catch (problem) {
      notify("comments", problem.status === 412 ? "warn" : "bad", inWords(problem));
      if (problem.status !== 412) return;
      await this.#load();
      const again = this.#items.find(({ id, text: now }) => id === one.id && now !== null);
      if (again) this.#edit(again, document.querySelector(`#comment-${one.id} .comment-text`), field.value);
      return;
    }
    await this.#load();
  }

  async #delete(one) {
    const isDone = await confirmed({
      title: text("page.replay.delete_title"), says: text("page.replay.delete_what"), action: text("page.replay.delete"),
      run: () => del(`/annotations/${one.id}`),
    });
    if (isDone) await this.#load();
  }

  #replier(one) {
    const open = element("button", { type: "button", class: "link reply", onclick: () => {
      const field = new MentionField(() => this.#readers(), { label: text("page.replay.reply_to", { name: one.authorName }), rows: 2 });
      const form = element(
        "form", { class: "comment-form" }, field.root,
        element("div", { class: "actions" },
          element("button", { type: "submit", class: "primary small" }, text("page.replay.reply")),
          element("button", { type: "button", class: "small", onclick: () => { form.replaceWith(open); open.focus(); } }, text("page.dialog.cancel"))),
      );
      this.#sends(form, field, { kind: "comment", atMs: one.atMs, parentId: one.id });
      open.replaceWith(form);
      field.field.focus();
    } }, text("page.replay.reply"));
    return open;
  }

  // a new one

  #composer() {
    const field = new MentionField(() => this.#readers(), { label: text("page.replay.comment_label"), rows: 2 });
    field.field.placeholder = text("page.replay.comment_hint");
    this.#composeAt = element("span", { class: "compose-at" });
    const until = element("button", { type: "button", class: "link", id: "compose-until", onclick: () => this.#until() }, text("page.replay.until_now"));
    const moved = element("button", { type: "button", class: "link", onclick: () => this.#take(this.#told.now()) }, text("page.replay.take_now"));
    const form = element(
      "form", { class: "comment-form composer" },
      element("div", { class: "compose-when" }, this.#composeAt, moved, until),
      field.root,
      element("div", { class: "actions" },
        element("button", { type: "submit", class: "primary small" }, text("page.replay.send")),
        element("button", { type: "button", class: "small", onclick: () => void this.bookmark() }, icon("bookmark"), text("page.replay.bookmark_now"))),
    );
    field.field.addEventListener("focus", () => { if (!this.#span) this.#take(this.#told.now()); });
    this.#sends(form, field, null);
    const made = { root: form, field: field.field, clear: () => { field.value = ""; this.#span = null; this.#showSpan(); } };
    this.#span = null;
    this.#showSpan();
    return made;
  }

  #take(ms) {
    this.#span = { atMs: Math.round(ms), endMs: null };
    this.#showSpan();
  }

  #until() {
    const now = Math.round(this.#told.now());
    if (!this.#span) this.#take(now);
    else if (now > this.#span.atMs) this.#span.endMs = now;
    else this.#span = { atMs: now, endMs: this.#span.atMs };
    this.#showSpan();
  }

  #showSpan() {
    const { atMs = null, endMs = null } = this.#span ?? {};
    this.#composeAt.textContent = atMs === null ? text("page.replay.about_now") : endMs === null
      ? text("page.replay.about_moment", { time: clock(atMs) })
      : text("page.replay.about_span", { from: clock(atMs), to: clock(endMs) });
  }

  #sends(form, field, fixed) {
    const key = newKey();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value) { field.field.focus(); return; }
      void this.#run(async () => {
        const { atMs, endMs } = this.#span ?? { atMs: Math.round(this.#told.now()), endMs: null };
        const about = fixed ?? { kind: "comment", atMs, ...(endMs ? { endMs } : {}) };
        await post(`/sessions/${this.#id}/annotations`, { ...about, text: field.value, mentions: await field.mentions() }, { key: fixed ? key : newKey() });
        if (!fixed) this.#compose.clear();
      });
    });
  }

  async #run(work) {
    try {
      await work();
    } catch (problem) {
      notify("comments", problem.status === 412 ? "warn" : "bad", inWords(problem));
      if (problem.status !== 412) return;
    }
    await this.#load();
  }
}

function grouped(items) {
  const found = new Map();
  for (const one of items) if (one.parentId) found.set(one.parentId, [...(found.get(one.parentId) ?? []), one]);
  return found;
}
