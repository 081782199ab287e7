// One version of a playbook: a draft to be written, tried and published, or what was published, to be read.

import { del, get, post, put } from "./api.js";
import { showChanges } from "./changes.js";
import { confirmed, inWords } from "./dialog.js";
import { parsed, writtenOf } from "./domain-words.js";
import { byId, element } from "./element.js";
import { counted, diff } from "./line-diff.js";
import { shortly } from "./moment.js";
import { dismiss, notify } from "./notices.js";
import { showPreview } from "./playbook-preview.js";
import { Trial } from "./playbook-trial.js";
import { SourceField } from "./source-field.js";
import { badge } from "./table.js";
import { Tabs } from "./tabs.js";
import { text } from "./texts.js";

const CHECKED_AFTER_MS = 500;
const TONES = { draft: "info", published: "good", retired: "plain" };

export class Editor {
  #mayWrite;
  #source = new SourceField(() => this.#typed());
  #words = byId("words");
  #remark = byId("remark");
  #trial = new Trial(() => this.#body());
  #tabs;
  #version = null;
  #published = null;
  #saved = "";
  #checking = null;
  #timer = 0;
  #isBusy = false;

  constructor(mayWrite) {
    this.#mayWrite = mayWrite;
    this.#tabs = new Tabs(byId("tabs"), (name) => { if (name === "changes") this.#compare(); });
    for (const input of [this.#words, this.#remark]) input.addEventListener("input", () => this.#typed());
    const on = (id, run) => byId(id).addEventListener("click", () => void this.#do(run));
    on("draft-save", () => this.#save());
    on("draft-publish", () => this.#publish());
    on("draft-delete", () => this.#delete());
    on("version-restore", () => this.#restore());
    addEventListener("keydown", (event) => {
      if (!this.#isDraft || event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      void this.#do(() => this.#save());
    });
    addEventListener("beforeunload", (event) => { if (this.isChanged) event.preventDefault(); });
  }

  /** What its fields and lists say, in the page's language. */
  offer() {
    this.#trial.offer();
  }

  get hash() { return this.#version ? `#${this.#version.language}/${this.#version.number}` : ""; }
  get isChanged() { return this.#isDraft && this.#written() !== this.#saved; }
  get #isDraft() { return this.#mayWrite && this.#version?.status === "draft"; }

  isOpenAt(hash) { return this.#version !== null && this.hash === hash; }

  /** Opens version `number` (0: the shipped one) of `language`; `items`: the heads of all. Whether it could be. */
  async open(language, number, items) {
    const isSame = this.isOpenAt(`#${language}/${number}`);
    if (!isSame) {
      const used = items.find((one) => one.language === language && one.status === "published" && !(one.number === number && one.shipped === (number === 0)));
      const [version, published] = await Promise.all([fetched(language, number, items), used ? fetched(language, used.number, items) : null]);
      this.#published = published;
      this.#take(version);
      this.#trial.clear();
      this.#tabs.show("preview");
    }
    this.#head();
    if (!isSame) await this.#check();
    return true;
  }

  /** Line heights and the like are known once it is seen. */
  seen() {
    this.#state();
  }

  close() {
    clearTimeout(this.#timer);
    this.#checking?.abort();
    this.#version = null;
  }

  /** Whether what is not saved may be lost: asked of the person. */
  leaves() {
    return confirmed({ title: text("page.versions.leave_title"), says: text("page.versions.leave_what"), action: text("page.versions.leave"), run: async () => { this.#saved = this.#written(); } });
  }

  #take(version) {
    this.#version = version;
    this.#source.value = version.source;
    this.#words.value = writtenOf(version.domainWords);
    this.#remark.value = version.remark;
    this.#saved = this.#written();
  }

  #written() {
    return JSON.stringify([this.#source.value, this.#words.value, this.#remark.value]);
  }

  /** What is sent of it. */
  #body() {
    const domainWords = parsed(this.#words.value).map(({ word }) => word);
    return { source: this.#source.value, domainWords, remark: this.#remark.value.trim(), language: this.#version.language };
  }

  #head() {
    const { title, number, language, status, authorName, publishedAt, updatedAt, shipped } = this.#version;
    const state = shipped && status === "retired" ? "unused" : status;
    byId("editor-title").textContent = title || text("page.versions.untitled");
    const facts = [
      text(`page.versions.language.${language}`),
      shipped ? text("page.versions.shipped") : text("page.versions.number", { number }),
      authorName ? text("page.versions.by", { name: authorName }) : null,
      publishedAt ? text("page.versions.published_on", { when: shortly(publishedAt) }) : updatedAt ? text("page.versions.saved_on", { when: shortly(updatedAt) }) : null,
    ];
    byId("editor-facts").replaceChildren(badge(TONES[status], text(`page.versions.state.${state}`)), ` ${facts.filter(Boolean).join(" · ")}`);
    for (const id of ["draft-delete", "draft-save", "draft-publish"]) byId(id).hidden = !this.#isDraft;
    byId("version-restore").hidden = !this.#mayWrite || this.#isDraft;
    byId("tab-trial").hidden = !this.#mayWrite;
    this.#source.isFixed = !this.#isDraft;
    this.#words.readOnly = !this.#isDraft;
    this.#remark.readOnly = !this.#isDraft;
    byId("remark-field").hidden = !this.#isDraft && !this.#remark.value;
    this.#state();
  }

  #state() {
    byId("editor-state").textContent = this.#isDraft ? text(this.isChanged ? "page.versions.unsaved" : "page.versions.saved") : "";
    byId("editor-state").dataset.changed = String(this.isChanged);
  }

  #typed() {
    this.#state();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), CHECKED_AFTER_MS);
  }

  // checking

  async #check() {
    clearTimeout(this.#timer);
    this.#checking?.abort();
    const asked = new AbortController();
    this.#checking = asked;
    if (this.#tabs.shown === "changes") this.#compare();
    if (!this.#mayWrite) {
      // Whoever only reads sees what calls show of it.
      showPreview(byId("preview"), await get(`/playbooks/${encodeURIComponent(this.#version.digest)}`, {}, { signal: asked.signal }));
      return;
    }
    const { source, domainWords } = this.#body();
    try {
      const found = await post("/playbooks/check", { source, domainWords }, { signal: asked.signal });
      if (asked.signal.aborted) return;
      dismiss("check");
      this.#tell(found);
    } catch (problem) {
      if (problem.name === "AbortError") return;
      if (problem.status === undefined) throw problem;
      notify("check", "warn", inWords(problem), [{ label: text("page.try_again"), run: () => void this.#check() }]);
    }
  }

  #tell({ faults, wordFaults, preview }) {
    this.#source.mark(faults.map(({ line }) => line));
    const count = faults.length;
    const verdict = byId("source-verdict");
    verdict.dataset.tone = count ? "bad" : "good";
    verdict.textContent = count === 0 ? text("page.versions.no_faults") : count === 1 ? text("page.versions.one_fault") : text("page.versions.faults", { count });
    byId("faults").replaceChildren(...faults.map(({ line, message }) => element("li", {},
      element("button", { type: "button", class: "fault", onclick: () => this.#source.go(line) }, element("span", { class: "fault-at" }, text("page.versions.line", { line })), element("span", { lang: "en" }, message)))));
    const lines = parsed(this.#words.value);
    byId("words-faults").replaceChildren(...wordFaults.map(({ number, message }) => element("li", { class: "error" }, `${text("page.versions.line", { line: lines[number - 1]?.line ?? number })}: `, element("span", { lang: "en" }, message))));
    if (wordFaults.length) this.#words.setAttribute("aria-invalid", "true");
    else this.#words.removeAttribute("aria-invalid");
    showPreview(byId("preview"), preview);
  }

  #compare() {
    const root = byId("changes");
    if (!this.#published) {
      root.replaceChildren(element("p", { class: "empty-state" }, text("page.versions.changes.alone")));
      return;
    }
    showChanges(root, { before: whole(this.#published), after: whole({ ...this.#version, ...this.#body() }), against: this.#against });
  }

  get #against() {
    const { number, shipped } = this.#published;
    return shipped ? text("page.versions.the_shipped") : text("page.versions.number", { number });
  }

  // doing

  async #do(run) {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      await run();
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      notify("editor", "bad", inWords(problem));
    } finally {
      this.#isBusy = false;
    }
  }

  get #path() { return `/playbooks/versions/${this.#version.language}/${this.#version.number}`; }

  /** Whether it is stored; where somebody else was first, that is said, with both ways on. */
  async #save(version = this.#version.version) {
    const { source, domainWords, remark } = this.#body();
    const sent = this.#written();
    try {
      const { language, number } = this.#version;
      const stored = await put(this.#path, { source, domainWords, remark }, { version });
      if (!this.isOpenAt(`#${language}/${number}`)) return false;
      this.#version = stored;
    } catch (problem) {
      if (problem.status !== 412) throw problem;
      await this.#conflict();
      return false;
    }
    this.#saved = sent;
    dismiss("editor");
    dismiss("conflict");
    this.#head();
    return true;
  }

  async #conflict() {
    const theirs = await get(this.#path);
    notify("conflict", "bad", text("page.versions.conflict", { name: theirs.authorName ?? "", when: shortly(theirs.updatedAt) }), [
      { label: text("page.versions.keep_mine"), run: () => void this.#do(() => this.#save(theirs.version)) },
      { label: text("page.versions.take_theirs"), run: () => { dismiss("conflict"); this.#take(theirs); this.#head(); void this.#check(); } },
    ]);
  }

  async #publish() {
    if (this.isChanged && !(await this.#save())) return;
    const language = text(`page.versions.language.${this.#version.language}`);
    const says = [text("page.versions.publish_what", { language })];
    if (this.#published) {
      const { added, removed } = counted(diff(whole(this.#published), whole(this.#version)));
      says.push(added + removed ? text("page.versions.changes.count", { against: this.#against, added, removed }) : text("page.versions.changes.none", { against: this.#against }));
    }
    const isDone = await confirmed({
      title: text("page.versions.publish_title"), says, action: text("page.versions.publish_do"), isDanger: false,
      run: async () => { this.#version = await post(`${this.#path}/publish`, undefined); },
    });
    if (!isDone) return;
    this.#published = null;
    this.#head();
    this.#tabs.show("preview");
    notify("done", "good", text("page.versions.was_published", { language }));
  }

  async #restore() {
    const { language, source, domainWords, remark, shipped } = this.#version;
    const made = shipped
      ? await post("/playbooks/drafts", { language, source, domainWords, remark })
      : await post(`${this.#path}/restore`, undefined);
    location.hash = `#${made.language}/${made.number}`;
  }

  async #delete() {
    const isDone = await confirmed({
      title: text("page.versions.delete_title"), says: text("page.versions.delete_what"), action: text("page.versions.delete"),
      run: () => del(this.#path),
    });
    if (!isDone) return;
    this.#saved = this.#written();
    location.hash = "";
  }
}

/** One version; `shipped` ones are told by `items`. */
async function fetched(language, number, items) {
  if (number > 0) return get(`/playbooks/versions/${language}/${number}`);
  const head = items.find((one) => one.shipped && one.language === language);
  return { ...head, ...(await get(`/playbooks/shipped/${language}`)), shipped: true, number: 0, status: head?.status ?? "retired", remark: "", version: 0 };
}

/** A version as one text, its words with it, for comparing. */
const whole = ({ source, domainWords }) => [source.trimEnd(), ...(domainWords.length ? ["", "# domain words", writtenOf(domainWords)] : [])].join("\n");
