// The inbox: what concerns a person, until they delete it.

import { del, get, put } from "./api.js";
import { inWords } from "./dialog.js";
import { byId, element, unseen } from "./element.js";
import { keepingFocus } from "./focus.js";
import { dateAndTime } from "./moment.js";
import { dismiss, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { showUnread } from "./shell.js";
import { start } from "./start.js";
import { badge } from "./table.js";
import { text } from "./texts.js";

const LIMIT = 25;

class Inbox {
  #offset = 0;
  #turn = 0;

  constructor() {
    byId("only-unread").addEventListener("change", () => {
      this.#offset = 0;
      void this.show();
    });
    byId("read-all").addEventListener("click", () => void this.#do(() => put("/notifications")));
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    const onlyUnread = byId("only-unread").checked;
    try {
      const { items, total, unread } = await get("/notifications", { unread: onlyUnread ? "true" : "", offset: this.#offset, limit: LIMIT });
      if (turn !== this.#turn) return;
      if (!items.length && this.#offset > 0) {
        this.#offset = Math.max(0, this.#offset - LIMIT);
        await this.show();
        return;
      }
      byId("inbox-lead").textContent = unread === 0 ? text("page.inbox.none_unread") : unread === 1 ? text("page.inbox.one_unread") : text("page.inbox.unread", { count: unread });
      byId("read-all").disabled = unread === 0;
      const rows = items.map((notice) => this.#row(notice));
      keepingFocus(() => byId("notices-list").replaceChildren(...rows));
      byId("inbox-empty").hidden = rows.length > 0;
      byId("inbox-empty").textContent = text(onlyUnread ? "page.inbox.empty_unread" : "page.inbox.empty");
      showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total, shown: items.length }, (offset) => {
        this.#offset = offset;
        void this.show();
      });
      showUnread(unread);
      dismiss("inbox");
    } catch (problem) {
      notify("inbox", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  #row({ id, text: words, createdAt, readAt }) {
    const of = (key) => [element("span", { "aria-hidden": "true" }, text(key)), unseen(text("page.inbox.of", { what: text(key), notice: words }))];
    return element(
      "li", { class: "inbox-notice", "data-unread": readAt === null ? "true" : null },
      element("div", {},
        element("p", { class: "inbox-text" }, readAt === null ? badge("info", text("page.inbox.new")) : null, " ", words),
        element("p", { class: "inbox-when" }, element("time", { datetime: createdAt }, dateAndTime(createdAt)))),
      element("div", { class: "row-actions" },
        readAt === null ? element("button", { type: "button", class: "small", id: `read-${id}`, onclick: () => void this.#do(() => put(`/notifications/${id}/read`), `delete-${id}`) }, ...of("page.inbox.read")) : null,
        element("button", { type: "button", class: "small", id: `delete-${id}`, onclick: () => void this.#remove(id) }, ...of("page.inbox.delete"))),
    );
  }

  async #remove(id) {
    const row = byId(`delete-${id}`).closest("li");
    const near = row.nextElementSibling ?? row.previousElementSibling;
    const next = near?.querySelector("[id^=delete-]")?.id;
    await this.#do(() => del(`/notifications/${id}`), next ?? "inbox-title");
  }

  /** Does `work` and shows what came of it; the focus goes to what has the id `next`. */
  async #do(work, next = null) {
    try {
      await work();
    } catch (problem) {
      notify("inbox", "bad", inWords(problem));
      return;
    }
    await this.show();
    if (next) document.getElementById(next)?.focus();
  }
}

await start(async () => new Inbox());
