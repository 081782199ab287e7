// The account page: what the node knows of a person, how they sign in, and what they prefer.

import { announce } from "./announce.js";
import { download, get, put } from "./api.js";
import { byId, element, icon } from "./element.js";
import { FactorPanel } from "./factor-panel.js";
import { Form, inWords, isAddress, isLongEnough, written } from "./form.js";
import { nameOf, prefer, reread, showTheme } from "./me.js";
import { dismiss, notify } from "./notices.js";
import { profileFields } from "./profile.js";
import { signedIn } from "./shell.js";
import { SignInsPanel } from "./sign-ins-panel.js";
import { language, text } from "./texts.js";

const THEMES = ["light", "dark", "system"];
const current = (name, label) => ({ name, label, type: "password", autocomplete: "current-password", maxlength: "512" });

class Account {
  #me;
  #factor;
  #signIns;

  constructor(me) {
    this.#me = me;
    this.#factor = new FactorPanel(byId("factor"), me.secondFactor, () => void this.#reread());
    this.#signIns = new SignInsPanel(byId("sign-ins"), me.id);
  }

  show() {
    const me = this.#me;
    document.title = `${text("page.account.title")} · Forecourt`;
    byId("account-lead").textContent = `${nameOf(me)} · ${text(`page.role.${me.role}`)}`;
    byId("profile").replaceChildren(this.#profile());
    byId("email").replaceChildren(...this.#email());
    byId("password").replaceChildren(this.#password());
    byId("preferences").replaceChildren(...this.#preferences());
    byId("data").replaceChildren(...this.#data());
    this.#factor.show();
    void this.#signIns.show();
    byId("account-page").hidden = false;
  }

  async #reread() {
    this.#me = await reread();
  }

  #profile() {
    const form = new Form({
      id: "profile-form", submit: "page.account.save",
      fields: profileFields(this.#me.profile),
      send: async (values) => {
        const { id, version, profile } = this.#me;
        await put(`/users/${id}/profile`, { ...profile, ...values }, { version });
        await this.#reread();
        byId("account-lead").textContent = `${nameOf(this.#me)} · ${text(`page.role.${this.#me.role}`)}`;
        done("page.account.saved");
      },
    });
    return form.root;
  }

  #email() {
    const { email, emailVerified } = this.#me;
    const form = new Form({
      id: "email-form", submit: "page.account.email_change",
      fields: [
        { name: "email", label: "page.account.email_new", type: "email", autocomplete: "email", check: isAddress, maxlength: "254", autocapitalize: "off", spellcheck: "false" },
        current("password", "page.account.password_now"),
      ],
      send: async (values) => {
        await put("/me/email", values);
        form.fill({ email: "", password: "" });
        done("page.account.email_sent", { email: values.email });
      },
    });
    const badge = written("span", emailVerified ? "page.account.email_verified" : "page.account.email_unverified", { class: "badge", "data-tone": emailVerified ? "good" : "warn" });
    return [element("p", { class: "present" }, element("strong", {}, email), badge), folded("page.account.email_change", form.root)];
  }

  #password() {
    const form = new Form({
      id: "password-form", submit: "page.account.password_change",
      fields: [
        current("current", "page.account.password_now"),
        { name: "new", label: "page.form.new_password", hint: "page.form.password_rules", type: "password", autocomplete: "new-password", maxlength: "512", check: isLongEnough },
      ],
      send: async (values) => {
        await put("/me/password", values);
        form.fill({ current: "", new: "" });
        done("page.account.password_changed");
        void this.#signIns.show();
      },
    });
    // Whose password it is, for what keeps passwords.
    form.root.prepend(element("input", { type: "text", autocomplete: "username", value: this.#me.email, hidden: true, readonly: true }));
    return folded("page.account.password_change", form.root);
  }

  #preferences() {
    const { theme, notifications } = this.#me.preferences;
    const themes = THEMES.map((one) => element("label", { class: "radio" },
      element("input", { type: "radio", name: "theme", value: one, checked: one === theme, onchange: () => { showTheme(one); void this.#prefer({ theme: one }); } }),
      written("span", `page.theme.${one}`)));
    const select = element("select", { id: "account-language" },
      element("option", { value: "en", lang: "en" }, "English"), element("option", { value: "es", lang: "es" }, "Español (beta)"));
    select.value = language();
    // One choice of language in the page: the header's, which shows everything afresh.
    select.addEventListener("change", () => {
      byId("language").value = select.value;
      byId("language").dispatchEvent(new Event("change"));
    });
    const mail = element("input", { type: "checkbox", checked: notifications.email, onchange: () => void this.#prefer({ notifications: { ...this.#me.preferences.notifications, email: mail.checked } }) });
    return [
      element("div", { class: "field" }, written("label", "page.language", { for: "account-language" }), select),
      element("fieldset", { class: "radios" }, written("legend", "page.theme.label"), ...themes),
      element("label", { class: "tick" }, mail, element("span", {}, written("strong", "page.account.mail"), written("small", "page.account.mail_note"))),
    ];
  }

  async #prefer(changes) {
    try {
      this.#me = await prefer(changes);
      done("page.account.saved");
    } catch (problem) {
      notify("account", "bad", problem.detail ?? problem.message);
    }
  }

  #data() {
    const button = element("button", { type: "button" }, icon("save"), written("span", "page.account.download"));
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-busy")) return;
      button.setAttribute("aria-busy", "true");
      dismiss("account");
      try {
        await download(`/users/${this.#me.id}/export`, "forecourt-my-data.zip");
        announce(text("page.account.downloaded"));
      } catch (problem) {
        notify("account", "bad", inWords(problem));
      } finally {
        button.removeAttribute("aria-busy");
      }
    });
    return [written("p", "page.account.data_note", { class: "note" }), element("div", { class: "actions" }, button)];
  }
}

function done(key, parameters) {
  dismiss("account");
  notify("account", "good", text(key, parameters));
}

/** What is seldom needed, behind its name. */
const folded = (key, ...parts) => element("details", { class: "folded" }, written("summary", key), ...parts);

let account = null;
const me = await signedIn({ changed: () => account.show() });
if (me) {
  account = new Account(me);
  account.show();
}
