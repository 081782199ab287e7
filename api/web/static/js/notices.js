// Things that went wrong or need attention, each with a way on. Keyed, so that one matter has one notice.

import { byId, element, icon } from "./element.js";
import { text as textOf } from "./texts.js";

const ICONS = { info: "info", warn: "turn", bad: "turn", good: "check" };
const shown = new Map();

/**
 * Shows a notice under `key`, replacing the one there. `tone`: info, good, warn or bad; `actions`: a list of
 * {label, run}. A bad one interrupts a screen reader, the others wait for a pause.
 */
export function notify(key, tone, text, actions = []) {
  const before = shown.get(key);
  if (before?.text === text && before.tone === tone) return;
  const buttons = actions.map(({ label, run }) => element("button", { type: "button", onclick: run }, label));
  const close = element("button", { type: "button", "aria-label": textOf("page.dismiss"), onclick: () => dismiss(key) }, icon("cross"));
  const notice = element(
    "div",
    { class: "notice", "data-tone": tone, "data-key": key, role: tone === "bad" ? "alert" : "status" },
    icon(ICONS[tone]),
    element("p", {}, text),
    close,
    buttons.length ? element("div", { class: "actions" }, ...buttons) : null,
  );
  if (before) before.notice.replaceWith(notice);
  else byId("notices").append(notice);
  shown.set(key, { notice, text, tone });
  if (tone === "bad") notice.scrollIntoView({ block: "nearest" });
}

/** Takes the notice of `key` away; whether there was one. */
export function dismiss(key) {
  shown.get(key)?.notice.remove();
  return shown.delete(key);
}

/** Takes every notice away. */
export function dismissAll() {
  for (const key of [...shown.keys()]) dismiss(key);
}
