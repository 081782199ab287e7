// The dealership's settings, for its admins.

import { get, put } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { roleOf, ROLES } from "./directory.js";
import { byId, element } from "./element.js";
import { allRight, boxes, choice, field, ticked } from "./fields.js";
import { notify } from "./notices.js";
import { text } from "./texts.js";

const LONGEST_DAYS = 3650;

export class Dealership {
  #root = byId("dealership-form");
  #known = null;

  /** Fetches the settings and shows them. */
  async show() {
    try {
      this.#known = await get("/dealership");
    } catch (problem) {
      notify("dealership", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
      return;
    }
    this.#draw();
  }

  #draw() {
    const { name, language, policy, contact } = this.#known;
    const title = element("input", { type: "text", class: "text-input", id: "dealership-name", maxlength: "200", value: name, autocomplete: "organization" });
    const spoken = choice("dealership-language", [["en", "English"], ["es", "Español (beta)"]], language);
    const phone = element("input", { type: "tel", class: "text-input", id: "dealership-phone", maxlength: "40", value: contact.phone, autocomplete: "tel" });
    const address = element("input", { type: "text", class: "text-input", id: "dealership-address", maxlength: "200", value: contact.address, autocomplete: "street-address" });
    const website = element("input", { type: "url", class: "text-input", id: "dealership-website", maxlength: "200", value: contact.website, autocomplete: "url", placeholder: "https://" });
    const days = element("input", { type: "number", class: "text-input", id: "dealership-days", min: "1", max: String(LONGEST_DAYS), step: "1", inputmode: "numeric", value: String(policy.retentionDays) });
    const form = element(
      "form", { class: "settings", novalidate: true },
      field(text("page.dealership.name"), title),
      field(text("page.dealership.language"), spoken),
      field(text("page.dealership.phone"), phone, text("page.dealership.phone_hint")),
      field(text("page.dealership.address"), address, text("page.dealership.address_hint")),
      field(text("page.dealership.website"), website),
      field(text("page.dealership.retention"), days, text("page.dealership.retention_hint")),
      boxes("dealership-factor", text("page.dealership.factor"), ROLES.map((role) => [role, roleOf(role), policy.totpRequired.includes(role)]), text("page.dealership.factor_hint")),
      element("div", { class: "actions" }, element("button", { type: "submit", class: "primary", id: "dealership-save" }, text("page.dealership.save"))),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const retentionDays = days.value.trim() === "" ? NaN : Number(days.value);
      const wrong = [];
      if (!title.value.trim()) wrong.push([title, text("page.dealership.name_missing")]);
      if (!Number.isInteger(retentionDays) || retentionDays < 1 || retentionDays > LONGEST_DAYS) wrong.push([days, text("page.dealership.retention_wrong")]);
      if (!/^(https:\/\/\S+)?$/.test(website.value.trim())) wrong.push([website, text("page.dealership.website_wrong")]);
      if (!allRight(form, wrong)) return;
      void this.#save({
        name: title.value.trim(), language: spoken.value,
        policy: { totpRequired: ticked(form, "dealership-factor"), retentionDays },
        contact: { phone: phone.value.trim(), address: address.value.trim(), website: website.value.trim() },
      });
    });
    this.#root.replaceChildren(form);
  }

  async #save(wanted) {
    const { retentionDays } = wanted.policy;
    // What is kept for less time is deleted, and does not come back.
    if (retentionDays < this.#known.policy.retentionDays) {
      await confirmed({
        title: text("page.dealership.shorter", { days: retentionDays }), says: text("page.dealership.shorter_what"), action: text("page.dealership.save"),
        run: () => this.#put(wanted),
      });
      return;
    }
    try {
      await this.#put(wanted);
    } catch (problem) {
      notify("dealership", "bad", inWords(problem));
    }
  }

  async #put(wanted) {
    try {
      this.#known = await put("/dealership", wanted, { version: this.#known.version });
    } catch (problem) {
      if (problem.status === 412) await this.show();
      throw problem;
    }
    this.#draw();
    byId("dealership-save").focus();
    notify("dealership", "good", text("page.dealership.saved"));
  }
}
