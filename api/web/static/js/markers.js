// What happened at moments of a call: tips, the playbook, and what people marked. Shown on the time axis and as a list.

import { kindOf } from "./cards.js";
import { element, icon } from "./element.js";
import { clock } from "./moment.js";
import { iconOf } from "./stamps.js";
import { text } from "./texts.js";

/** The rows on the time axis. */
export const ROWS = ["tips", "playbook", "people"];
/** Markers nearer than this are shown as one. */
const APART_PX = 27;
const SHORT = 80;

const cut = (words) => (words.length > SHORT ? `${words.slice(0, SHORT - 1)}…` : words);

/** The moments of `record`, of `annotations` and of `playbook` (or null), by time: {ms, row, icon, tone, name, id}. */
export function momentsOf(record, annotations, playbook) {
  const told = new Set(annotations.map(({ id }) => id));
  const found = [
    ...record.feedback.map((tip) => ({ ms: tip.spanMs[0] < 0 ? tip.atMs : tip.spanMs[0], row: "tips", icon: kindOf(tip).icon, tone: tip.kind, name: tip.message, about: kindOf(tip).name, more: tip.evidence })),
    ...heard(record.heard, playbook),
    ...record.bookmarks.filter(({ author }) => !author || !annotations.length).map(({ atMs, label }) => ({ ms: atMs, row: "people", icon: "bookmark", tone: "bookmark", name: label || text("page.replay.bookmark"), about: "" })),
    ...record.notes.filter(({ id }) => !told.has(id)).filter(() => !annotations.length).map(noted),
    ...annotations.filter(({ parentId, text: said, kind }) => !parentId && (said !== null || kind !== "comment")).map((one) => ({ ...noted(one), id: one.id, author: one.authorName })),
  ];
  return found.sort((a, b) => a.ms - b.ms);
}

function noted({ atMs, kind, stamp, text: said, author = null, authorName = author }) {
  const icons = { bookmark: "bookmark", stamp: iconOf(stamp), comment: "comment", note: "comment" };
  const name = kind === "stamp" ? text(`page.stamp.${stamp}`) : said ? cut(said) : text("page.replay.bookmark");
  return { ms: atMs, row: "people", icon: icons[kind] ?? "comment", tone: kind === "bookmark" ? "bookmark" : "comment", name, about: authorName ?? "" };
}

function heard(found, playbook) {
  const row = (ms, name, about, symbol = "check") => ({ ms, row: "playbook", icon: symbol, tone: "playbook", name, about });
  const title = (list, code) => list?.find((one) => one.code === code)?.title ?? code.replaceAll("_", " ");
  return [
    ...[...found.stages].map(([code, ms]) => row(ms, title(playbook?.stages, code), text("page.replay.stage"), "flag")),
    ...[...found.mustSays].map(([code, ms]) => row(ms, title(playbook?.mustSays, code), text("page.replay.must_say"))),
    ...found.objections.flatMap(([code, { sure }]) => sure.map((ms) => row(ms, playbook?.objection(code)?.title ?? code.replaceAll("_", " "), text("page.replay.objection"), "question"))),
  ];
}

/** What a marker is called where it is not seen. */
export const nameOf = ({ ms, name, about }) => text("page.replay.marker", { time: clock(ms), name: about ? `${about}: ${name}` : name });

/** Those of one row as they are shown: [{x, moments}], no two nearer than they can be told apart. */
function clusters(moments, fromS, pxPerS, width) {
  const found = [];
  for (const moment of moments) {
    const x = (moment.ms / 1000 - fromS) * pxPerS;
    const last = found.at(-1);
    if (last && x - last.x < APART_PX) last.moments.push(moment);
    else found.push({ x, moments: [moment] });
  }
  return found.filter(({ x }) => x >= -1 && x <= width + 1);
}

/** Shows the markers of one row in `root` for the part that is seen; `choose(moment)` is told which was chosen. */
export function placeMarkers(root, moments, { fromS, pxPerS, width }, choose) {
  const focused = root.contains(document.activeElement) ? document.activeElement.dataset.ms : null;
  root.replaceChildren(...clusters(moments, fromS, pxPerS, width).map(({ x, moments: some }) => {
    const [first] = some;
    const isMany = some.length > 1;
    const label = isMany ? text("page.replay.markers", { name: nameOf(first), count: some.length - 1 }) : nameOf(first);
    const button = element(
      "button", { type: "button", class: "marker", "data-tone": first.tone, "data-ms": first.ms, "aria-label": label, title: label, tabindex: -1, onclick: () => choose(first) },
      isMany ? element("span", { "aria-hidden": "true" }, String(some.length)) : icon(first.icon),
    );
    button.style.setProperty("--x", `${Math.max(12, Math.min(x, width - 12)).toFixed(1)}px`);
    return button;
  }));
  const [first] = root.children;
  if (first) first.tabIndex = 0;
  if (focused !== null) root.querySelector(`[data-ms="${focused}"]`)?.focus();
}

/** One tab stop for a row of markers; the arrows lead along it. */
export function walkMarkers(root) {
  root.addEventListener("keydown", (event) => {
    const all = [...root.children];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next = all[to];
    if (!next) return;
    for (const each of all) each.tabIndex = each === next ? 0 : -1;
    next.focus();
  });
}

/** All of them as a list. */
export function momentsList(moments, choose) {
  if (!moments.length) return [element("p", { class: "empty" }, text("page.replay.no_moments"))];
  return [element("ol", { class: "moments-list" }, ...moments.map((moment) => element(
    "li", { "data-tone": moment.tone },
    element("button", { type: "button", class: "at", onclick: () => choose(moment) }, element("span", { class: "unseen" }, `${text("page.summary.play_from")} `), clock(moment.ms)),
    icon(moment.icon),
    element("div", {}, moment.about ? element("small", {}, moment.about) : null, element("p", {}, moment.name), moment.more ? element("p", { class: "more" }, moment.more) : null),
  )))];
}
