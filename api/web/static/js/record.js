// What is known of a call, built from its events in order: the same whether they come live or from a store.

import { Heard } from "./playbook.js";

/** Utterances, tips, bookmarks, notes and the newest metrics of one call, and what it came to; times in session ms. */
export class CallRecord {
  utterances = new Map();
  feedback = [];
  bookmarks = [];
  notes = [];
  heard = new Heard();
  objected = null;
  metrics = null;
  summary = null;
  state = "created";
  reason = null;
  durationMs = 0;

  /** Takes one envelope in; unknown types change nothing. */
  apply({ type, t, data }) {
    this.durationMs = Math.max(this.durationMs, t ?? 0);
    switch (type) {
      case "session.state":
        this.state = data.state;
        this.reason = data.reason ?? null;
        break;
      case "speech.start":
        this.#utterance(data.utterance, data.startMs);
        break;
      case "speech.end":
        this.#utterance(data.utterance, data.endMs).endMs = data.endMs;
        break;
      case "transcript.partial": {
        const utterance = this.#utterance(data.utterance, t);
        if (utterance.words) break;
        utterance.committed = data.committed;
        utterance.tentative = data.tentative;
        break;
      }
      case "transcript.final": {
        const utterance = this.#utterance(data.utterance, data.startMs);
        const words = data.words.map(([text, startMs, endMs, probability]) => ({ text, startMs, endMs, probability }));
        Object.assign(utterance, { startMs: data.startMs, endMs: data.endMs, words, committed: "", tentative: "" });
        break;
      }
      case "metrics":
        this.metrics = data;
        break;
      case "feedback":
        this.feedback.push({ ...data, atMs: data.spanMs[1] });
        break;
      case "playbook":
        this.objected = this.heard.apply(t, data);
        break;
      case "summary":
        this.summary = data;
        break;
      case "bookmark":
        this.bookmarks.push({ atMs: data.atMs, label: data.label });
        break;
      case "note":
        this.notes.push({ atMs: t, text: data.text, author: data.author });
        break;
      default:
    }
  }

  /** Utterances in the order they began. */
  get spoken() {
    return [...this.utterances.values()].sort((a, b) => a.startMs - b.startMs);
  }

  #utterance(id, startMs) {
    let known = this.utterances.get(id);
    if (!known) {
      known = { id, startMs, endMs: null, committed: "", tentative: "", words: null };
      this.utterances.set(id, known);
    }
    return known;
  }
}
