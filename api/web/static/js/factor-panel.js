// The account page's second factor: on, off, and new recovery codes.

import { del, post, put } from "./api.js";
import { element } from "./element.js";
import { codeField, recoveryCodes, setUpSteps } from "./factor.js";
import { Form, written } from "./form.js";

const password = { name: "password", label: "page.account.password_now", type: "password", autocomplete: "current-password", maxlength: "512" };

export class FactorPanel {
  #root;
  #isOn;
  #changed;

  /** `root` is filled; `changed()` is called when the second factor was turned on or off. */
  constructor(root, isOn, changed) {
    this.#root = root;
    this.#isOn = isOn;
    this.#changed = changed;
  }

  show() {
    const state = this.#isOn ? "on" : "off";
    const buttons = this.#isOn
      ? [this.#button("page.factor.new_codes", () => this.#renewCodes()), this.#button("page.factor.turn_off", () => this.#turnOff())]
      : [this.#button("page.factor.turn_on", () => this.#turnOn(), "primary")];
    this.#put(
      element("p", { class: "present" }, written("span", `page.factor.is_${state}`, { class: "badge", "data-tone": this.#isOn ? "good" : "info" })),
      written("p", `page.factor.${state}_note`, { class: "note" }),
      element("div", { class: "actions" }, ...buttons),
    );
  }

  #turnOn() {
    this.#ask("factor-on", "page.factor.turn_on_note", "page.continue", async ({ password: given }) => {
      this.#setUp(await post("/me/second-factor", { password: given }));
    });
  }

  #setUp(made) {
    const form = new Form({
      id: "factor-code", fields: [codeField()], submit: "page.factor.confirm", more: [this.#cancel()],
      send: async ({ code }) => {
        const { recoveryCodes: codes } = await put("/me/second-factor", { code });
        this.#isOn = true;
        this.#changed();
        this.#codes(codes);
      },
    });
    this.#put(setUpSteps(made), form.root);
    this.#focus();
  }

  #renewCodes() {
    this.#ask("factor-codes", "page.factor.new_codes_note", "page.factor.new_codes", async ({ password: given }) => {
      this.#codes((await post("/me/second-factor/recovery-codes", { password: given })).recoveryCodes);
    });
  }

  #turnOff() {
    this.#ask("factor-off", "page.factor.turn_off_note", "page.factor.turn_off", async ({ password: given }) => {
      await del("/me/second-factor", { password: given });
      this.#isOn = false;
      this.#changed();
      this.show();
      this.#focus();
    });
  }

  #codes(codes) {
    const done = () => { this.show(); this.#focus(); };
    this.#put(written("p", "page.factor.codes_lead", { class: "note" }), recoveryCodes(codes, { done, doneKey: "page.factor.done" }));
    this.#focus();
  }

  #ask(id, note, submit, send) {
    const form = new Form({ id, fields: [password], submit, send, more: [this.#cancel()] });
    this.#put(written("p", note, { class: "note" }), form.root);
    form.input("password").focus();
  }

  #cancel() {
    return this.#button("page.account.cancel", () => { this.show(); this.#focus(); });
  }

  #button(key, run, kind = null) {
    return written("button", key, { type: "button", class: kind, onclick: run });
  }

  // The panel's title: what had the focus is gone.
  #focus() {
    this.#root.closest("section").querySelector("h2").focus();
  }

  #put(...parts) {
    this.#root.replaceChildren(...parts);
  }
}
