// After a call: its length, the four scores with what they rest on, tips and words, and the recording.

import { recordingUrl } from "./api.js";
import { kindOf } from "./cards.js";
import { byId, element, icon, unseen } from "./element.js";
import { KINDS_OF_CALL } from "./live.js";
import { clock, dateAndTime, decimal, duration, signed } from "./moment.js";
import { notify } from "./notices.js";
import { Player } from "./player.js";
import { Said } from "./said.js";

const STATUSES = {
  interrupted: "The connection to this call was lost before it was ended. Everything up to then is here.",
  created: "This call was set up but never began.",
  active: "This call is still going on.",
  paused: "This call is paused at the moment.",
};

export class Summary {
  #player = new Player();
  #said = new Said();

  /** Shows `session` with what `record` holds. `fresh`: the call has just ended in this page. */
  show(session, record, fresh) {
    const metrics = record.metrics ?? session.metrics;
    const durationMs = session.durationMs || record.durationMs;
    const kind = KINDS_OF_CALL[session.sessionType] ?? "Practice";
    byId("summary-title").textContent = fresh ? `Your ${kind.toLowerCase()} practice` : `${kind} practice`;
    byId("summary-lead").textContent = `${dateAndTime(session.startTime ?? session.createdAt)} · ${duration(durationMs)}`;
    byId("summary-kept").replaceChildren(...this.#kept(session, fresh));
    byId("summary-scores").replaceChildren(...tiles(metrics));
    const play = session.hasRecording ? (ms) => this.#player.play(ms) : null;
    if (play) this.#player.load(recordingUrl(session.id), record, durationMs, (ms) => this.#said.mark(ms));
    else this.#player.unload();
    showPoints(record.summary, play);
    byId("moments").replaceChildren(...moments(record, play));
    this.#said.show(record.spoken, play);
  }

  hide() {
    this.#player.unload();
  }

  #kept(session, fresh) {
    const said = [];
    if (STATUSES[session.status]) said.push(["warn", STATUSES[session.status]]);
    if (session.recordingConsent === false) {
      const now = fresh ? " What you see here is only in this page and is gone when you leave it." : "";
      said.push(["info", `Nothing was kept, as you chose: neither the sound nor the words of this call are stored.${now}`]);
    } else if (!session.hasRecording && session.status === "completed") {
      said.push(["info", "There is no recording of this call."]);
    }
    return said.map(([tone, text]) => element("div", { class: "notice", "data-tone": tone }, icon(tone === "warn" ? "turn" : "info"), element("p", {}, text)));
  }
}

/** The four scores, each with the quantities behind it. */
function tiles(metrics) {
  const q = metrics?.quantities ?? {};
  const shown = (value, text) => (value === null || value === undefined ? "not measured" : text(value));
  const counted = (count, rate) => shown(count, (n) => (typeof rate === "number" ? `${n} (${decimal(rate)} per 100)` : String(n)));
  const rows = {
    confidence: [
      ["Hedging words", counted(q.hedges, q.hedgesPer100Words)],
      ["Fillers", counted(q.fillers, q.fillersPer100Words)],
      ["Level varies by", shown(q.levelVariationDb, (db) => `${decimal(db)} dB`)],
    ],
    clarity: [
      ["Voice over noise", shown(q.snrDb, (db) => `${decimal(db, 0)} dB`)],
      ["Distorted sound", shown(q.clippedPct, (pct) => `${decimal(pct)} %`)],
      ["Words recognised surely", shown(q.asrCertainty, (share) => `${decimal(100 * share, 0)} %`)],
    ],
    pace: [
      ["Words a minute", shown(q.rateWpm, (rate) => decimal(rate, 0))],
      ["Syllables a second", shown(q.syllablesPerS, (rate) => decimal(rate))],
      ["Words", shown(q.words, String)],
      ["Time speaking", shown(q.speechS, (s) => duration(1000 * s))],
      ["Pauses", shown(q.pauses, (n) => (n ? `${n}, longest ${decimal(q.longestPauseMs / 1000)} s` : "none"))],
    ],
    volume: [
      ["Against your check", shown(q.levelVsBaselineDb, (db) => `${signed(db)} dB`)],
      ["Level", shown(q.activeLevelDbfs, (db) => `${decimal(db, 0)} dBFS`)],
      ["Distorted sound", shown(q.clippedPct, (pct) => `${decimal(pct)} %`)],
    ],
  };
  return Object.entries(rows).map(([key, quantities]) => tile(key, metrics?.scores?.[key] ?? null, quantities));
}

function tile(key, score, quantities) {
  const name = key[0].toUpperCase() + key.slice(1);
  const bar = element("span", {});
  bar.style.setProperty("--value", (score ?? 0) / 100);
  return element(
    "section", { class: "tile", "data-score-name": key, "data-score": score ?? "" },
    element("h2", {}, name),
    score === null
      ? element("p", { class: "score-value none" }, "Not enough to judge")
      : element("p", { class: "score-value" }, String(score), element("small", {}, " of 100")),
    element("div", { class: "score-bar", "aria-hidden": "true" }, bar),
    element("dl", {}, ...quantities.map(([term, text]) => element("div", {}, element("dt", {}, term), element("dd", {}, text)))),
  );
}

/** Strengths and what to work on, each with the moments that show it. */
function showPoints(summary, play) {
  const lists = { strengths: summary?.strengths ?? [], "work-on": summary?.workOn ?? [] };
  const empty = { strengths: "Nothing stood out yet: talk a little longer.", "work-on": "Nothing to mend in this call." };
  byId("summary-points").hidden = !lists.strengths.length && !lists["work-on"].length;
  for (const [id, points] of Object.entries(lists)) {
    const rows = points.map((one) => element("li", {}, icon(id === "strengths" ? "check" : "idea"), element("p", {}, one.message), moment(one, play)));
    byId(id).replaceChildren(...(rows.length ? rows : [element("li", { class: "empty" }, empty[id])]));
  }
}

function moment({ message, moments }, play) {
  if (!moments.length) return null;
  const when = ([startMs]) => (play
    ? element("button", { type: "button", class: "at", onclick: () => play(startMs) }, icon("play"), unseen(`Play “${message}” at `), clock(startMs))
    : element("span", { class: "at" }, clock(startMs)));
  return element("div", { class: "when" }, ...moments.map(when));
}

/** Tips, bookmarks and notes in the order of time. */
function moments({ feedback, bookmarks, notes }, play) {
  const all = [
    ...feedback.map((one) => ({ atMs: one.spanMs[0], shownMs: one.atMs, kind: one.kind, symbol: kindOf(one).icon, title: one.message, label: kindOf(one).name, text: one.evidence })),
    ...bookmarks.map((one) => ({ atMs: one.atMs, shownMs: one.atMs, kind: "bookmark", symbol: "bookmark", title: one.label || "Your bookmark", label: "", text: "" })),
    ...notes.map((one) => ({ atMs: one.atMs, shownMs: one.atMs, kind: "note", symbol: "info", title: `Note from ${one.author}`, label: "", text: one.text })),
  ].sort((a, b) => a.shownMs - b.shownMs);
  if (!all.length) return [element("li", { class: "empty" }, "No tips and no bookmarks in this call.")];
  return all.map(({ atMs, shownMs, kind, symbol, title, label, text }) => {
    const when = play
      ? element("button", { type: "button", class: "at", onclick: () => play(atMs) }, icon("play"), unseen(`Play “${title}” at `), clock(shownMs))
      : element("span", { class: "at" }, clock(shownMs));
    return element(
      "li", { class: "moment", "data-kind": kind },
      when, icon(symbol),
      element("h3", {}, title, label ? element("small", {}, ` ${label}`) : null),
      text ? element("p", {}, text) : null,
    );
  });
}

/** Says that a session could not be shown. */
export function tellMissing(problem) {
  const text = problem.status === 404 ? "There is no session at this address. It may belong to another computer." : (problem.detail ?? problem.message);
  notify("session", "bad", text);
}
