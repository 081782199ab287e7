// From a right password, or a link, into the product: the steps that may lie between.

import { enter } from "./access.js";
import { byId, element } from "./element.js";
import { codeField, recoveryCodes, setUpSteps } from "./factor.js";
import { Form, written } from "./form.js";
import { write } from "./texts.js";

/** Where to go once signed in: `next` of the address, if that is a page of this node. */
export function destination() {
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  let url;
  try {
    url = new URL(next, location.origin);
  } catch (error) {
    console.info("This is no address to go on to:", next, error);
    return "/";
  }
  const isOurs = next.startsWith("/") && url.origin === location.origin && !["/sign-in", "/link"].includes(url.pathname);
  return isOurs ? url.pathname + url.search + url.hash : "/";
}

/** Shows `parts` as the page's only step, under the title of `key`; the focus goes to the title. */
export function step(name, key, ...parts) {
  const title = written("h1", key, { id: "step-title", tabindex: "-1" });
  byId("step").replaceChildren(title, ...parts.filter(Boolean));
  document.body.dataset.view = name;
  document.title = `${title.textContent} · Forecourt`;
  scrollTo(0, 0);
  title.focus();
}

export const lead = (key) => written("p", key, { class: "lead" });

/**
 * Goes on with the SignInView `view`. `credentials` ({email, password}) are what a code has to come with; null where
 * the page does not know them.
 */
export async function goOn(view, credentials) {
  if (view.status === "signed_in") leave();
  else if (view.status === "second_factor" && credentials) askForCode(credentials);
  else if (view.status === "enrolment") await enrol(view.enrolmentSecret);
  else location.replace("/sign-in");
}

const leave = () => location.replace(destination());

function askForCode(credentials) {
  const other = written("button", "page.sign_in.recovery_instead", { type: "button", class: "link" });
  const form = new Form({
    id: "code", fields: [codeField()], submit: "page.sign_in.submit", more: [other],
    send: async ({ code }) => goOn(await enter("/sign-in", { ...credentials, code }), credentials),
  });
  const input = form.input("code");
  let isRecovery = false;
  other.addEventListener("click", () => {
    isRecovery = !isRecovery;
    form.fill({ code: "" });
    input.inputMode = isRecovery ? "text" : "numeric";
    input.maxLength = isRecovery ? 40 : 11;
    write(form.root.querySelector("label"), isRecovery ? "page.factor.recovery" : "page.factor.code");
    write(form.root.querySelector(".hint"), isRecovery ? "page.factor.recovery_hint" : "page.factor.code_hint");
    write(other, isRecovery ? "page.sign_in.app_instead" : "page.sign_in.recovery_instead");
    input.focus();
  });
  step("code", "page.sign_in.code_title", form.root);
  input.focus();
}

async function enrol(secret) {
  const made = await enter("/enrolment", { secret });
  const form = new Form({
    id: "enrolment", fields: [codeField()], submit: "page.factor.confirm",
    send: async ({ code }) => keep(await enter("/enrolment/confirm", { secret, code })),
  });
  step("enrolment", "page.sign_in.enrol_title", lead("page.sign_in.enrol_lead"), setUpSteps(made), form.root);
}

function keep({ recoveryCodes: codes }) {
  step("codes", "page.factor.codes_title", lead("page.factor.codes_lead"), recoveryCodes(codes, { done: leave, doneKey: "page.continue" }));
}

/** Waits, so that something is there while the node is asked. */
export const waiting = () => element("p", { class: "waiting", role: "status" }, written("span", "page.form.wait"));
