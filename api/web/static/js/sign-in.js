// The sign-in page.

import { enter, renew } from "./access.js";
import { destination, goOn, lead, step } from "./entering.js";
import { element } from "./element.js";
import { Form, isAddress, written } from "./form.js";
import { welcome } from "./shell.js";

const address = (value = "") => ({ name: "email", label: "page.form.email", type: "email", value, autocomplete: "username", check: isAddress, maxlength: "254", autocapitalize: "off", spellcheck: "false" });

function password(email = "") {
  const forgotten = written("a", "page.sign_in.forgot", { class: "aside", href: "#forgot" });
  const form = new Form({
    id: "sign-in",
    fields: [
      address(email),
      { name: "password", label: "page.form.password", type: "password", autocomplete: "current-password", maxlength: "512" },
    ],
    submit: "page.sign_in.submit",
    send: async (credentials) => {
      try {
        await goOn(await enter("/sign-in", credentials), credentials);
      } catch (problem) {
        form.tell(problem);
        form.input("password").select();
      }
    },
  });
  step("password", "page.sign_in.title", lead("page.sign_in.lead"), form.root, forgotten);
  form.input(email ? "password" : "email").focus();
}

function forgot() {
  const form = new Form({
    id: "forgot", fields: [address()], submit: "page.sign_in.forgot_submit",
    send: async ({ email }) => {
      await enter("/reset-requests", { email });
      step("forgot-sent", "page.sign_in.sent_title", lead("page.sign_in.sent"), back());
    },
  });
  step("forgot", "page.sign_in.forgot_title", lead("page.sign_in.forgot_lead"), form.root, back());
}

const back = () => element("p", {}, written("a", "page.sign_in.back", { class: "aside", href: "#" }));

function route() {
  if (location.hash === "#forgot") forgot();
  else password();
}

if (await welcome()) {
  try {
    await renew();
    location.replace(destination());
  } catch (problem) {
    if (problem.status !== 401) console.warn("Whether somebody is signed in could not be found out:", problem);
    addEventListener("hashchange", route);
    route();
  }
}
