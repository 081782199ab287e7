// The account page's list of where a person is signed in.

import { signOut } from "./access.js";
import { del, get } from "./api.js";
import { announce } from "./announce.js";
import { deviceOf } from "./device.js";
import { element } from "./element.js";
import { written } from "./form.js";
import { dateAndTime } from "./moment.js";
import { notify } from "./notices.js";
import { text } from "./texts.js";

export class SignInsPanel {
  #root;
  #path;
  #turn = 0;

  constructor(root, userId) {
    this.#root = root;
    this.#path = `/users/${userId}/sign-ins`;
  }

  async show() {
    this.#turn += 1;
    const turn = this.#turn;
    let items;
    try {
      ({ items } = await get(this.#path));
    } catch (problem) {
      if (turn !== this.#turn) return;
      const again = written("button", "page.try_again", { type: "button", onclick: () => void this.show() });
      this.#root.replaceChildren(element("p", { class: "note" }, problem.detail ?? problem.message), element("div", { class: "actions" }, again));
      return;
    }
    if (turn !== this.#turn) return;
    items.sort((a, b) => b.isCurrent - a.isCurrent || b.lastUsedAt.localeCompare(a.lastUsedAt));
    const everywhere = written("button", "page.account.everywhere", { type: "button", class: "danger-text", onclick: () => void this.#everywhere() });
    this.#root.replaceChildren(
      element("ul", { class: "devices" }, ...items.map((one) => this.#row(one))),
      element("div", { class: "actions" }, everywhere),
    );
  }

  #row({ family, signedInAt, lastUsedAt, userAgent, isCurrent }) {
    const device = deviceOf(userAgent);
    return element(
      "li", {},
      element("div", {},
        element("strong", {}, device, " ", isCurrent ? written("span", "page.account.this_one", { class: "badge", "data-tone": "good" }) : null),
        element("small", {}, text("page.account.used", { since: dateAndTime(signedInAt), last: dateAndTime(lastUsedAt) }))),
      isCurrent ? null : element("button", { type: "button", "aria-label": text("page.account.end_of", { device }), onclick: () => void this.#end(family) }, text("page.account.end")),
    );
  }

  async #end(family) {
    try {
      await del(`${this.#path}/${family}`);
    } catch (problem) {
      // 404: it has ended meanwhile.
      if (problem.status !== 404) { notify("account", "bad", problem.detail ?? problem.message); return; }
    }
    await this.show();
    announce(text("page.account.ended"));
    this.#root.closest("section").querySelector("h2").focus();
  }

  async #everywhere() {
    try {
      await del(this.#path);
      await signOut();
    } catch (problem) {
      notify("account", "bad", problem.detail ?? problem.message);
    }
  }
}
