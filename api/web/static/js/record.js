// What is known of a call, built from its events in order: the same whether they come live or from a store.

import { Heard } from "./playbook.js";
import { TRAINEE, trackOf, wayOf } from "./voices.js";

/**
 * Utterances of everybody, tips, bookmarks, notes and the newest metrics of one call, who took part in it, and what it
 * came to; times in session ms.
 */
export class CallRecord {
  utterances = new Map();
  feedback = [];
  bookmarks = [];
  notes = [];
  heard = new Heard();
  objected = null;
  /** The trainee's; those of the others are in `metricsOf`, by track. */
  metrics = null;
  metricsOf = new Map();
  people = [];
  /** Everybody who was there, in the order they came: {personId, name, ways: a Set of what they were there for}. */
  tookPart = new Map();
  summary = null;
  state = "created";
  reason = null;
  durationMs = 0;

  /** Takes one envelope in; unknown types change nothing. */
  apply({ type, t, track, data }) {
    const from = trackOf({ track });
    this.durationMs = Math.max(this.durationMs, t ?? 0);
    switch (type) {
      case "session.state":
        this.state = data.state;
        this.reason = data.reason ?? null;
        break;
      case "speech.start":
        this.#utterance(from, data.utterance, data.startMs);
        break;
      case "speech.end":
        this.#utterance(from, data.utterance, data.endMs).endMs = data.endMs;
        break;
      case "transcript.partial": {
        const utterance = this.#utterance(from, data.utterance, t);
        if (utterance.words) break;
        utterance.committed = data.committed;
        utterance.tentative = data.tentative;
        break;
      }
      case "transcript.final": {
        const utterance = this.#utterance(from, data.utterance, data.startMs);
        const words = data.words.map(([text, startMs, endMs, probability]) => ({ text, startMs, endMs, probability }));
        Object.assign(utterance, { startMs: data.startMs, endMs: data.endMs, words, committed: "", tentative: "" });
        break;
      }
      case "metrics":
        this.metricsOf.set(from, data);
        if (from === TRAINEE) this.metrics = data;
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
        this.bookmarks.push({ atMs: data.atMs, label: data.label, author: data.author ?? null });
        break;
      case "note":
        this.notes.push({ atMs: data.atMs ?? t, kind: data.kind ?? "note", stamp: data.stamp ?? null, text: data.text, author: data.author });
        break;
      case "presence":
        this.people = data.people ?? [];
        for (const person of this.people) this.#present(person);
        break;
      default:
    }
  }

  /** Utterances in the order they began. */
  get spoken() {
    return [...this.utterances.values()].sort((a, b) => a.startMs - b.startMs);
  }

  /** The utterance that an envelope tells of. */
  utteranceOf({ track, data }) {
    return this.utterances.get(keyOf(trackOf({ track }), data.utterance));
  }

  #utterance(track, id, startMs) {
    const key = keyOf(track, id);
    let known = this.utterances.get(key);
    if (!known) {
      known = { key, track, startMs, endMs: null, committed: "", tentative: "", words: null };
      this.utterances.set(key, known);
    }
    return known;
  }

  #present(person) {
    const known = this.tookPart.get(person.personId) ?? { personId: person.personId, name: person.name, ways: new Set() };
    known.ways.add(wayOf(person));
    this.tookPart.set(person.personId, known);
  }
}

const keyOf = (track, id) => `${track} ${id}`;
