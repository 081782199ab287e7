// The list of past sessions.

import { byId, element } from "./element.js";
import { KINDS_OF_CALL } from "./live.js";
import { dateAndTime, duration } from "./moment.js";

const STATUSES = { created: "never begun", active: "going on now", paused: "paused now", interrupted: "interrupted" };

/** Shows `sessions`, newest first, each a link to its summary. */
export function listSessions(sessions) {
  byId("sessions-lead").textContent = sessions.length ? "Newest first. Open one to read it and to listen again." : "No calls yet. Your practice calls will be listed here.";
  byId("sessions").replaceChildren(...sessions.map((session) => element("li", {}, line(session))));
}

function line(session) {
  const { id, sessionType, startTime, createdAt, durationMs, status, hasRecording, recordingConsent, feedbackCount, metrics } = session;
  const facts = [duration(durationMs), STATUSES[status], `${feedbackCount} ${feedbackCount === 1 ? "tip" : "tips"}`];
  facts.push(hasRecording ? "recorded" : recordingConsent === false ? "nothing kept" : null);
  const marks = ["confidence", "clarity", "pace", "volume"].map((key) =>
    element("span", {}, element("small", {}, key[0].toUpperCase() + key.slice(1)), ` ${metrics?.scores[key] ?? "–"}`),
  );
  return element(
    "a", { class: "session", href: `#/sessions/${id}` },
    element("strong", {}, `${KINDS_OF_CALL[sessionType] ?? "Practice"}, ${dateAndTime(startTime ?? createdAt)}`),
    element("span", { class: "when" }, facts.filter(Boolean).join(" · ")),
    element("span", { class: "marks" }, ...marks),
  );
}
