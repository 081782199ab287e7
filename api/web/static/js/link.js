// What the links in mails open: joining, a new password, a confirmed address, and the first admin of a node.

import { enter } from "./access.js";
import { element } from "./element.js";
import { goOn, lead, step, waiting } from "./entering.js";
import { Form, inWords, isAddress, isLongEnough, written } from "./form.js";
import { welcome } from "./shell.js";
import { language, text } from "./texts.js";

// The secret is out of the address, and so out of the history, before anything else happens.
const secret = location.hash.slice(1);
history.replaceState(null, "", "/link");

const first = { name: "firstName", label: "page.form.first_name", autocomplete: "given-name", maxlength: "80" };
const last = { name: "lastName", label: "page.form.last_name", autocomplete: "family-name", maxlength: "80" };
const fresh = { name: "password", label: "page.form.new_password", hint: "page.form.password_rules", type: "password", autocomplete: "new-password", check: isLongEnough, maxlength: "512" };
const known = (email) => ({ name: "email", label: "page.form.email", type: "email", value: email, autocomplete: "username", readonly: true });
const chosen = { name: "email", label: "page.form.email", type: "email", autocomplete: "username", check: isAddress, maxlength: "254", autocapitalize: "off", spellcheck: "false" };
const dealership = { name: "dealershipName", label: "page.form.dealership", autocomplete: "organization", maxlength: "200" };

function invited({ email, dealership: name, role }) {
  const words = element("p", { class: "lead" }, text("page.link.invite_lead", { dealership: name, role: text(`page.role.${role}`) }));
  step("invite", "page.link.invite_title", words, form("invite", [known(email), first, last, fresh], "page.link.join", ({ email: _, ...rest }) => rest));
}

function resetting({ email }) {
  step("reset", "page.link.reset_title", lead("page.link.reset_lead"), form("reset", [known(email), fresh], "page.link.change", ({ password }) => ({ password })));
}

function founding() {
  step("first_admin", "page.link.first_title", lead("page.link.first_lead"), form("first-admin", [dealership, first, last, chosen, fresh], "page.link.found", (values) => values));
}

// A click of the person's own: mail scanners follow links, too.
function verifying({ email }) {
  const words = element("p", { class: "lead" }, text("page.link.verify_lead", { email }));
  step("verify", "page.link.verify_title", words, form("verify", [], "page.link.verify", () => ({})));
}

const PURPOSES = { invite: invited, reset: resetting, first_admin: founding, verify: verifying };

function form(id, fields, submit, said) {
  const made = new Form({
    id, fields, submit,
    send: async (values) => {
      let view;
      try {
        view = await enter("/links/accept", { secret, language: language(), ...said(values) });
      } catch (problem) {
        if (problem.status !== 410) throw problem;
        gone();
        return;
      }
      if (view.status === "verified") verified();
      else await goOn(view, values.email ? { email: values.email, password: values.password } : null);
    },
  });
  return made.root;
}

function verified() {
  step("verified", "page.link.verified_title", lead("page.link.verified"), onward("page.link.to_forecourt", "/"));
}

function gone() {
  step("gone", "page.link.gone_title", lead("page.link.gone"), onward("page.sign_in.title", "/sign-in"));
}

function failed(problem) {
  const again = written("button", "page.try_again", { type: "button", class: "primary", onclick: () => void open() });
  step("failed", "page.link.failed_title", element("p", { class: "lead" }, inWords(problem)), element("div", { class: "actions" }, again));
}

const onward = (key, href) => element("div", { class: "actions" }, written("a", key, { class: "primary button", href }));

async function open() {
  if (!secret) { gone(); return; }
  step("waiting", "page.link.opening", waiting());
  try {
    const view = await enter("/links/inspect", { secret });
    (PURPOSES[view.purpose] ?? gone)(view);
  } catch (problem) {
    // 422: no secret looks like this.
    if (problem.status === 410 || problem.status === 422) gone();
    else failed(problem);
  }
}

if (await welcome()) await open();
