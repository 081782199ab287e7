// After a call: its length, the four scores with what they rest on, tips and words, and the recording.

import { kindOf } from "./cards.js";
import { Covered } from "./covered.js";
import { byId, element, icon, unseen } from "./element.js";
import { titleOf, yours } from "./kind.js";
import { clock, dateAndTime, duration, signed } from "./moment.js";
import { notify } from "./notices.js";
import { Player } from "./player.js";
import { Said } from "./said.js";
import { decimal, text as textOf } from "./texts.js";
import { showTookPart } from "./took-part.js";

const UNFINISHED = ["interrupted", "created", "active", "paused"];

export class Summary {
  #player = new Player();
  #said = new Said();
  #covered = new Covered();

  /** Shows `session` with what `record` holds. `fresh`: the call has just ended in this page. */
  show(session, record, fresh) {
    const metrics = record.metrics ?? session.metrics;
    const durationMs = session.durationMs || record.durationMs;
    byId("summary-title").textContent = fresh ? yours(session.sessionType) : titleOf(session.sessionType);
    byId("summary-lead").textContent = `${dateAndTime(session.startTime ?? session.createdAt)} · ${duration(durationMs)}`;
    byId("summary-kept").replaceChildren(...this.#kept(session, fresh));
    byId("summary-scores").replaceChildren(...tiles(metrics));
    byId("summary-talk").replaceChildren(...talk(metrics));
    showTookPart(record.tookPart);
    const play = session.hasRecording ? (ms) => this.#player.play(ms) : null;
    if (play) this.#player.load(session.id, record, durationMs, (ms) => this.#said.mark(ms));
    else this.#player.unload();
    showPoints(record.summary, play);
    void this.#covered.show(session, record.heard, play);
    byId("moments").replaceChildren(...moments(record, play));
    this.#said.show(record.spoken, play);
  }

  hide() {
    this.#player.unload();
    this.#covered.hide();
  }

  #kept(session, fresh) {
    const said = [];
    if (UNFINISHED.includes(session.status)) said.push(["warn", textOf(`page.summary.${session.status}`)]);
    if (session.recordingConsent === false) {
      const now = fresh ? ` ${textOf("page.summary.only_here")}` : "";
      said.push(["info", textOf("page.summary.nothing_kept") + now]);
    } else if (!session.hasRecording && session.status === "completed") {
      said.push(["info", textOf("page.summary.no_recording")]);
    }
    return said.map(([tone, text]) => element("div", { class: "notice", "data-tone": tone }, icon(tone === "warn" ? "turn" : "info"), element("p", {}, text)));
  }
}

const isKnown = (value) => value !== null && value !== undefined;
const shown = (value, write) => (isKnown(value) ? write(value) : textOf("page.quantity.none"));
const seconds = (ms) => `${decimal(ms / 1000)} s`;
const percent = (pct) => `${decimal(pct, 0)} %`;

/** The four scores, each with the quantities behind it. */
function tiles(metrics) {
  const q = metrics?.quantities ?? {};
  const counted = (count, rate) => shown(count, (n) => (typeof rate === "number" ? textOf("page.quantity.counted", { count: n, rate }) : String(n)));
  const rows = {
    confidence: [
      ["hedges", counted(q.hedges, q.hedgesPer100Words)],
      ["fillers", counted(q.fillers, q.fillersPer100Words)],
      ["variation", shown(q.levelVariationDb, (db) => `${decimal(db)} dB`)],
      ["falls", shown(q.fallingStatementsPct, percent)],
      ...(isKnown(q.hesitationMs) ? [["hesitation", seconds(q.hesitationMs)]] : []),
    ],
    clarity: [
      ["snr", shown(q.snrDb, (db) => `${decimal(db, 0)} dB`)],
      ["clipped", shown(q.clippedPct, (pct) => `${decimal(pct)} %`)],
      ["certainty", shown(q.asrCertainty, (share) => `${decimal(100 * share, 0)} %`)],
    ],
    pace: [
      ["wpm", shown(q.rateWpm, (rate) => decimal(rate, 0))],
      ["syllables", shown(q.syllablesPerS, (rate) => decimal(rate))],
      ["words", shown(q.words, (n) => decimal(n, 0))],
      ["speech", shown(q.speechS, (s) => duration(1000 * s))],
      ["pauses", shown(q.pauses, (n) => (n ? textOf("page.quantity.longest", { count: n, seconds: q.longestPauseMs / 1000 }) : textOf("page.quantity.no_pauses")))],
      ["acceleration", shown(q.accelerationPct, (pct) => `${signed(pct)} %`)],
    ],
    volume: [
      ["against", shown(q.levelVsBaselineDb, (db) => `${signed(db)} dB`)],
      ["level", shown(q.activeLevelDbfs, (db) => `${decimal(db, 0)} dBFS`)],
      ["drift", shown(q.levelDriftDb, (db) => `${signed(db)} dB`)],
      ["clipped", shown(q.clippedPct, (pct) => `${decimal(pct)} %`)],
    ],
  };
  return Object.entries(rows).map(([key, quantities]) => tile(key, metrics?.scores?.[key] ?? null, quantities));
}

/** What the trainee made of the time; shares and interruptions where another person was heard. */
function talk(metrics) {
  const q = metrics?.quantities ?? {};
  return [
    ["questions", shown(q.questions, String)],
    ["monologue", shown(q.longestMonologueMs, duration)],
    ...(isKnown(q.talkSharePct) ? [["share", percent(q.talkSharePct)]] : []),
    ...(isKnown(q.interruptions) ? [["interruptions", String(q.interruptions)]] : []),
  ].map(([name, figure]) => row(name, figure));
}

function row(name, figure) {
  return element("div", {}, element("dt", {}, textOf(`page.quantity.${name}`)), element("dd", {}, figure));
}

function tile(key, score, quantities) {
  const bar = element("span", {});
  bar.style.setProperty("--value", (score ?? 0) / 100);
  return element(
    "section", { class: "tile", "data-score-name": key, "data-score": score ?? "" },
    element("h2", {}, textOf(`page.score.${key}`)),
    score === null
      ? element("p", { class: "score-value none" }, textOf("page.score.too_little"))
      : element("p", { class: "score-value" }, String(score), element("small", {}, ` ${textOf("page.score.of")}`)),
    element("div", { class: "score-bar", "aria-hidden": "true" }, bar),
    element("dl", {}, ...quantities.map(([name, figure]) => row(name, figure))),
    element(
      "details", { class: "how" },
      element("summary", {}, textOf("page.help.title"), unseen(`: ${textOf(`page.score.${key}`)}`)),
      element("p", {}, textOf(`page.help.${key}`)),
    ),
  );
}

/** Strengths and what to work on, each with the moments that show it. */
function showPoints(summary, play) {
  const lists = { strengths: summary?.strengths ?? [], "work-on": summary?.workOn ?? [] };
  const empty = { strengths: "page.summary.no_strengths", "work-on": "page.summary.no_work_on" };
  byId("summary-points").hidden = !lists.strengths.length && !lists["work-on"].length;
  for (const [id, points] of Object.entries(lists)) {
    const rows = points.map((one) => element("li", {}, icon(id === "strengths" ? "check" : "idea"), element("p", {}, one.message), moment(one, play)));
    byId(id).replaceChildren(...(rows.length ? rows : [element("li", { class: "empty" }, textOf(empty[id]))]));
  }
}

function moment({ message, moments }, play) {
  if (!moments.length) return null;
  const when = ([startMs]) => (play
    ? element("button", { type: "button", class: "at", onclick: () => play(startMs) }, icon("play"), unseen(`${textOf("page.summary.play", { what: message })} `), clock(startMs))
    : element("span", { class: "at" }, clock(startMs)));
  return element("div", { class: "when" }, ...moments.map(when));
}

/** Tips, bookmarks and notes in the order of time. */
function moments({ feedback, bookmarks, notes }, play) {
  const all = [
    ...feedback.map((one) => ({ atMs: one.spanMs[0], shownMs: one.atMs, kind: one.kind, symbol: kindOf(one).icon, title: one.message, label: kindOf(one).name, text: one.evidence })),
    ...bookmarks.map((one) => ({ atMs: one.atMs, shownMs: one.atMs, kind: "bookmark", symbol: "bookmark", title: one.label || textOf("page.summary.your_bookmark"), label: "", text: "" })),
    ...notes.map((one) => ({ atMs: one.atMs, shownMs: one.atMs, kind: "note", symbol: "info", title: textOf("page.summary.note", { author: one.author }), label: "", text: one.text })),
  ].sort((a, b) => a.shownMs - b.shownMs);
  if (!all.length) return [element("li", { class: "empty" }, textOf("page.summary.no_moments"))];
  return all.map(({ atMs, shownMs, kind, symbol, title, label, text }) => {
    const when = play
      ? element("button", { type: "button", class: "at", onclick: () => play(atMs) }, icon("play"), unseen(`${textOf("page.summary.play", { what: title })} `), clock(shownMs))
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
  const text = problem.status === 404 ? textOf("page.summary.missing") : (problem.detail ?? problem.message);
  notify("session", "bad", text);
}
