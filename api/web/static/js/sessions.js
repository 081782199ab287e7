// The list of past sessions.

import { byId, element } from "./element.js";
import { nameOf } from "./kind.js";
import { dateAndTime, duration } from "./moment.js";
import { has, text } from "./texts.js";

/** Shows `sessions`, newest first, each a link to its summary. */
export function listSessions(sessions) {
  byId("sessions-lead").textContent = text(sessions.length ? "page.sessions.some" : "page.sessions.none");
  byId("sessions").replaceChildren(...sessions.map((session) => element("li", {}, line(session))));
}

function line(session) {
  const { id, sessionType, startTime, createdAt, durationMs, status, hasRecording, recordingConsent, feedbackCount, metrics } = session;
  const unfinished = has(`page.sessions.${status}`) ? text(`page.sessions.${status}`) : null;
  const tips = feedbackCount === 1 ? text("page.sessions.one_tip") : text("page.sessions.tips", { count: feedbackCount });
  const facts = [duration(durationMs), unfinished, tips];
  facts.push(hasRecording ? text("page.sessions.recorded") : recordingConsent === false ? text("page.sessions.nothing_kept") : null);
  const marks = ["confidence", "clarity", "pace", "volume"].map((key) =>
    element("span", {}, element("small", {}, text(`page.score.${key}`)), ` ${metrics?.scores[key] ?? "–"}`),
  );
  return element(
    "a", { class: "session", href: `#/sessions/${id}` },
    element("strong", {}, text("page.sessions.name", { kind: nameOf(sessionType), when: dateAndTime(startTime ?? createdAt) })),
    element("span", { class: "when" }, facts.filter(Boolean).join(" · ")),
    element("span", { class: "marks" }, ...marks),
  );
}
