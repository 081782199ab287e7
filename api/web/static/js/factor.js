// The second factor: what an authenticator app is told, and the recovery codes that stand in for it.

import { announce } from "./announce.js";
import { element, icon } from "./element.js";
import { written } from "./form.js";
import { text } from "./texts.js";

/** The field that takes a code of the app. */
export const codeField = () => ({
  name: "code", label: "page.factor.code", hint: "page.factor.code_hint", missing: "page.factor.code_missing",
  inputmode: "numeric", autocomplete: "one-time-code", maxlength: "11", autocapitalize: "off", spellcheck: "false",
});

/** The set-up `{secretText, uri, qrSvg}` as people take it over into their app. */
export function setUpSteps({ secretText, uri, qrSvg }) {
  const picture = element("img", { class: "qr", src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(qrSvg)}`, width: 208, height: 208, alt: text("page.factor.qr") });
  return element(
    "div", { class: "set-up" },
    picture,
    element(
      "div", { class: "set-up-words" },
      written("p", "page.factor.scan"),
      element("p", {}, written("a", "page.factor.open_app", { class: "aside", href: uri })),
      element(
        "details", {},
        written("summary", "page.factor.by_hand"),
        element("p", { class: "secret-text" }, element("code", {}, secretText.replace(/(.{4})(?=.)/g, "$1 "))),
      ),
    ),
  );
}

/** Recovery codes, to be kept before `done()` is called: they are told this once. */
export function recoveryCodes(codes, { done, doneKey }) {
  const list = element("ul", { class: "codes", "aria-label": text("page.factor.codes") }, ...codes.map((code) => element("li", {}, element("code", {}, code))));
  const kept = element("input", { type: "checkbox", id: "codes-kept", "aria-describedby": "codes-error" });
  const error = written("p", "page.factor.keep_first", { class: "error", id: "codes-error" });
  error.hidden = true;
  const finish = () => {
    error.hidden = kept.checked;
    if (kept.checked) { done(); return; }
    kept.setAttribute("aria-invalid", "true");
    kept.focus();
  };
  return element(
    "div", { class: "kept-codes" },
    list,
    element(
      "div", { class: "actions" },
      element("button", { type: "button", onclick: () => void copy(codes) }, icon("copy"), written("span", "page.factor.copy")),
      element("button", { type: "button", onclick: () => save(codes) }, icon("save"), written("span", "page.factor.save")),
    ),
    element("label", { class: "tick" }, kept, written("span", "page.factor.have_kept")),
    error,
    element("div", { class: "actions" }, written("button", doneKey, { type: "button", class: "primary", onclick: finish })),
  );
}

async function copy(codes) {
  try {
    await navigator.clipboard.writeText(codes.join("\n"));
    announce(text("page.factor.copied"));
  } catch (error) {
    console.info("The codes could not be copied:", error);
    announce(text("page.factor.not_copied"));
  }
}

function save(codes) {
  const words = `${text("page.factor.file_title")}\n${location.host}\n\n${codes.join("\n")}\n`;
  const url = URL.createObjectURL(new Blob([words], { type: "text/plain" }));
  Object.assign(document.createElement("a"), { href: url, download: "forecourt-recovery-codes.txt" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
