// What trainees see of a playbook: by kind of call, and the cards against objections.

import { element } from "./element.js";
import { nameOf } from "./kind.js";
import { advice } from "./objection.js";
import { text } from "./texts.js";

const KINDS = ["pitch", "objection", "closing"];

/** Shows `body` (a PlaybookBody) in `root`; null: it has faults. What was open stays so. */
export function showPreview(root, body) {
  if (!body) {
    root.replaceChildren(element("p", { class: "empty-state" }, text("page.versions.preview.faulty")));
    return;
  }
  const open = new Set([...root.querySelectorAll("details[open]")].map(({ dataset }) => dataset.code));
  const { language } = body;
  root.replaceChildren(
    ...KINDS.map((kind) => kindPart(kind, body)),
    part("page.versions.preview.never_say", element("ul", { class: "preview-list" }, ...body.neverSay.map((never) => neverSaid(never, language)))),
    part("page.versions.preview.objections", ...body.objections.map((one) => card(one, language, open.has(one.code)))),
  );
}

function part(key, ...content) {
  return element("section", { class: "preview-part" }, element("h3", {}, text(key)), ...content);
}

function kindPart(kind, { stages, mustSay, language }) {
  const said = mustSay.filter(({ sessions }) => sessions.includes(kind));
  return element(
    "section", { class: "preview-part" },
    element("h3", {}, nameOf(kind)),
    element("ol", { class: "preview-stages", lang: language }, ...stages[kind].map(({ title }) => element("li", {}, title))),
    said.length ? element("ul", { class: "preview-list", lang: language }, ...said.map(mustBeSaid)) : null,
  );
}

function mustBeSaid({ title, why }) {
  return element("li", {}, element("strong", {}, title), element("p", { class: "legend" }, why));
}

function neverSaid({ title, reason, instead }, language) {
  return element(
    "li", { lang: language },
    element("strong", {}, title),
    element("p", { class: "legend" }, reason),
    element("p", {}, element("span", { class: "instead", lang: document.documentElement.lang }, text("page.versions.preview.instead")), ` ${instead}`),
  );
}

/** An objection with its card. */
export function card({ code, title, card: shown }, language, isOpen = false) {
  return element(
    "details", { class: "preview-card", "data-code": code, open: isOpen },
    element("summary", { lang: language }, title),
    advice(shown, language),
  );
}
