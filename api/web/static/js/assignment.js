// An assignment as people read it: its state, when it is due, how far it is.

import { element, unseen } from "./element.js";
import { nameOf } from "./kind.js";
import { badge } from "./table.js";
import { decimal, locale, text } from "./texts.js";

const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
const TONES = { open: "info", passed: "good", failed: "bad", cancelled: "plain", overdue: "warn" };

export const STATES = ["open", "passed", "failed", "cancelled"];

/** Its state as a badge. */
export function stateOf({ status, isOverdue }) {
  const state = status === "open" && isOverdue ? "overdue" : status;
  return badge(TONES[state], text(`page.assignments.state.${state}`));
}

/** "in 3 days", "yesterday"; the date where it is far. */
export function dueIn(iso) {
  const midnight = (ms) => new Date(ms).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(Date.parse(iso)) - midnight(Date.now())) / DAY_MS);
  if (Math.abs(days) > SOON_DAYS) return dueOn(iso);
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(days, "day");
}

/** "Fri, 27 November". */
export const dueOn = (iso) => new Date(iso).toLocaleDateString(locale(), { weekday: "short", day: "numeric", month: "long" });

/** "2 of 5", "2". */
export const attemptsOf = ({ attempts, attemptsAllowed }) =>
  (attemptsAllowed === null ? String(attempts) : text("page.assignments.attempts_of", { used: attempts, allowed: attemptsAllowed }));

/** The best score against the mark to pass, as a bar and in words. */
export function scoreBar({ best, passMark }) {
  const bar = element("span", { class: "pass-bar", "aria-hidden": "true" }, element("span", { class: "pass-done" }), element("span", { class: "pass-mark" }));
  bar.style.setProperty("--best", String((best ?? 0) / 100));
  bar.style.setProperty("--mark", String(passMark / 100));
  bar.dataset.passed = String(best !== null && best >= passMark);
  const words = best === null ? text("page.assignments.no_score", { mark: decimal(passMark, 0) }) : text("page.assignments.best_of", { best: decimal(best, 0), mark: decimal(passMark, 0) });
  return element("span", { class: "pass" }, bar, element("span", { class: "pass-words" }, words));
}

/** "Objection · The price is too high". */
export const taskOf = ({ sessionType, objection }, objections) =>
  [nameOf(sessionType), objection === null ? null : (objections.get(objection) ?? objection.replaceAll("_", " "))].filter(Boolean).join(" · ");

/** The attempts at it, the newest first, each a link to its replay; `when(iso)` writes a time. */
export function attemptList({ sessions, passMark }, when) {
  if (!sessions.length) return element("p", { class: "hint" }, text("page.assignments.no_attempts"));
  const rows = [...sessions].reverse().map(({ id, startTime, score }) => element(
    "li", {},
    element("a", { href: `/replay#${id}` }, startTime === null ? text("page.date.unknown") : when(startTime)),
    element("span", { class: "attempt-score", "data-passed": String(score !== null && score >= passMark) }, score === null ? text("page.score.too_little") : decimal(score, 0), score === null ? null : unseen(` ${text("page.score.of")}`)),
  ));
  return element("ol", { class: "attempts" }, ...rows);
}
