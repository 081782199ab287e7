// Inviting somebody to play the customer: a link to hand on, and whether they have come.

import { post } from "./api.js";
import { Dialog } from "./dialog.js";
import { element, icon } from "./element.js";
import { text, write } from "./texts.js";

export class Invitation {
  #button;
  #sessionId = null;
  #dialog = null;
  #partner = null;
  #state = element("p", { class: "invite-state", role: "status" });

  /** `button` opens it. */
  constructor(button) {
    this.#button = button;
    button.addEventListener("click", () => void this.#open());
  }

  /** Invites to the call of session `sessionId` from now on. */
  start(sessionId) {
    this.#sessionId = sessionId;
    this.present([]);
  }

  stop() {
    this.#dialog?.close();
  }

  /** Takes in who is in the call. */
  present(people) {
    this.#partner = people.find(({ role }) => role === "partner") ?? null;
    this.#button.hidden = this.#partner !== null;
    this.#tell();
  }

  async #open() {
    const content = element("div", { class: "invite" }, element("p", {}, text("page.invite.lead")), this.#state);
    const dialog = new Dialog(text("page.invite.title"), content);
    this.#dialog = dialog;
    write(this.#state, "page.invite.making");
    const closed = dialog.open();
    const isMade = await dialog.run(async () => {
      const { code } = await post(`/sessions/${encodeURIComponent(this.#sessionId)}/invitation`);
      content.insertBefore(this.#link(`${location.origin}/join#${code}`, dialog), this.#state);
    });
    if (isMade) this.#tell();
    else this.#state.textContent = "";
    await closed;
    this.#dialog = null;
  }

  #link(url, dialog) {
    const field = element("input", { type: "text", class: "text-input", id: "invite-link", readonly: true, value: url, onfocus: ({ target }) => target.select() });
    const copy = element("button", { type: "button", class: "primary", onclick: () => void copied(url, field, dialog) }, icon("copy"), text("page.invite.copy"));
    const share = navigator.share && element("button", { type: "button", onclick: () => void shared(url) }, icon("send"), text("page.invite.share"));
    return element(
      "div", { class: "invite-link" },
      element("div", { class: "field" }, element("label", { for: "invite-link" }, text("page.invite.link")), field),
      element("div", { class: "actions" }, copy, share || null),
      element("p", { class: "hint" }, text("page.invite.hint")),
    );
  }

  #tell() {
    this.#state.dataset.here = String(this.#partner !== null);
    if (this.#partner) this.#state.textContent = text("page.invite.here", { name: this.#partner.name });
    else write(this.#state, "page.invite.waiting");
  }
}

async function copied(url, field, dialog) {
  try {
    await navigator.clipboard.writeText(url);
    dialog.say(text("page.invite.copied"));
  } catch (error) {
    console.info("The browser did not let the link be copied:", error);
    field.focus();
    dialog.tell(text("page.invite.not_copied"));
  }
}

async function shared(url) {
  try {
    await navigator.share({ title: text("page.invite.title"), text: text("page.invite.share_text"), url });
  } catch (error) {
    console.info("The link was not shared:", error);
  }
}
