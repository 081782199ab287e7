// The playbooks page: the versions of each language, or one of them (/playbooks#en/3).

import { get, newKey, post } from "./api.js";
import { Dialog, inWords } from "./dialog.js";
import { byId, element, unseen } from "./element.js";
import { choice, field } from "./fields.js";
import { shortly } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { Editor } from "./playbook-editor.js";
import { start } from "./start.js";
import { badge, nothing, Table } from "./table.js";
import { text } from "./texts.js";

const TONES = { draft: "info", published: "good", retired: "plain" };
const LANGUAGES = ["en", "es"];
const WRITERS = ["admin", "manager"];

class Playbooks {
  #isWriter;
  #editor;
  #table = new Table(byId("versions"), () => this.#columns());
  #items = [];
  #turn = 0;

  constructor(me) {
    this.#isWriter = WRITERS.includes(me.role);
    this.#editor = new Editor(this.#isWriter);
    byId("new-draft").hidden = !this.#isWriter;
    byId("new-draft").addEventListener("click", () => void this.#begin());
    byId("editor-back").addEventListener("click", (event) => { event.preventDefault(); location.hash = ""; });
    addEventListener("hashchange", () => void this.#moved());
  }

  offer() {
    this.#editor.offer();
  }

  /** Shows what the address asks for. */
  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    const [, language, number] = /^#([a-z]{2})\/(\d+)$/.exec(location.hash) ?? [];
    try {
      this.#items = (await get("/playbooks")).items;
      if (turn !== this.#turn) return;
      if (language) {
        const isOpen = await this.#editor.open(language, Number(number), this.#items);
        if (turn === this.#turn && isOpen) this.#show("editor");
      } else {
        this.#editor.close();
        this.#list();
        this.#show("list");
      }
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      if (turn !== this.#turn) return;
      if (language && problem.status === 404) {
        history.replaceState(null, "", location.pathname);
        await this.show();
      }
      notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  // What is not saved is not left without a question.
  async #moved() {
    const to = location.hash;
    if (this.#editor.isOpenAt(to)) return;
    if (this.#editor.isChanged) {
      history.replaceState(null, "", `${location.pathname}${this.#editor.hash}`);
      if (!(await this.#editor.leaves())) return;
      history.replaceState(null, "", `${location.pathname}${to}`);
    }
    dismissAll();
    await this.show();
  }

  #list() {
    const used = this.#items.filter(({ status }) => status === "published");
    byId("in-use").replaceChildren(...used.map(inUse));
    this.#table.show(this.#items, { empty: text("page.versions.none") });
  }

  #columns() {
    return {
      caption: text("page.versions.caption"),
      name: "versions-table",
      columns: [
        { head: text("page.versions.version"), isName: true, cell: (one) => element("a", { href: hashOf(one), id: `version-${one.language}-${one.number}` }, one.title || text("page.versions.untitled"), element("small", {}, ` · ${numberOf(one)}`)) },
        { head: text("page.versions.language"), cell: ({ language }) => text(`page.versions.language.${language}`) },
        { head: text("page.versions.state"), cell: ({ status, shipped }) => badge(TONES[status], text(shipped && status === "retired" ? "page.versions.state.unused" : `page.versions.state.${status}`)) },
        { head: text("page.versions.remark_head"), cell: ({ remark }) => remark || nothing() },
        { head: text("page.versions.author"), cell: ({ authorName }) => authorName ?? nothing() },
        { head: text("page.versions.changed"), cell: ({ publishedAt, updatedAt }) => (publishedAt ?? updatedAt ? shortly(publishedAt ?? updatedAt) : nothing()) },
      ],
    };
  }

  /** A new draft: of the language chosen, like what its calls are held with now. */
  async #begin() {
    dismissAll();
    const language = choice("draft-language", LANGUAGES.map((each) => [each, text(`page.versions.language.${each}`)]), "en");
    language.setAttribute("autofocus", "");
    const form = element(
      "form", { novalidate: true },
      element("p", { class: "hint" }, text("page.versions.new_what")),
      field(text("page.versions.language"), language),
      element("div", { class: "actions" },
        element("button", { type: "submit", class: "primary" }, text("page.versions.new_do")),
        element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))),
    );
    const dialog = new Dialog(text("page.versions.new"), form);
    const key = newKey();
    let made = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const isDone = await dialog.run(async () => {
        const { source, domainWords } = await this.#beginning(language.value);
        made = await post("/playbooks/drafts", { language: language.value, source, domainWords, remark: "" }, { key: `${key}-${language.value}` });
      });
      if (isDone) dialog.close();
    });
    await dialog.open();
    if (made) location.hash = hashOf(made);
  }

  async #beginning(language) {
    const used = this.#items.find((one) => one.language === language && one.status === "published");
    if (used && !used.shipped) return get(`/playbooks/versions/${language}/${used.number}`);
    const shipped = await get(`/playbooks/shipped/${used ? language : "en"}`);
    return { ...shipped, source: shipped.source.replace(/^language: .*$/m, `language: ${language}`) };
  }

  #show(view) {
    const before = document.body.dataset.view;
    document.body.dataset.view = view;
    for (const section of document.querySelectorAll("[data-view]:not(body)")) section.hidden = section.dataset.view !== view;
    document.title = text("page.versions.browser");
    if (view === "editor") this.#editor.seen();
    if (before === view) return;
    scrollTo(0, 0);
    // A new view starts at its heading, for those who do not see it change.
    if (before) document.querySelector(`section[data-view="${view}"] h1`).focus();
  }
}

const hashOf = ({ language, number }) => `#${language}/${number}`;
const numberOf = ({ number, shipped }) => (shipped ? text("page.versions.shipped") : text("page.versions.number", { number }));

function inUse(one) {
  return element(
    "section", { class: "panel in-use-card" },
    element("h2", {}, unseen(`${text("page.versions.in_use")}: `), one.title),
    element("p", { class: "legend" }, [text(`page.versions.language.${one.language}`), numberOf(one), one.publishedAt ? text("page.versions.since", { when: shortly(one.publishedAt) }) : null].filter(Boolean).join(" · ")),
    badge("good", text("page.versions.in_use")),
  );
}

await start(async (me) => {
  const page = new Playbooks(me);
  page.offer();
  return page;
});
