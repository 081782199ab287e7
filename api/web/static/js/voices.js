// Who is behind each track of a call, as far as one has been told.

import { text } from "./texts.js";

export const TRAINEE = "trainee";

/** The track an envelope is about; what names none is about the trainee. */
export const trackOf = ({ track }) => track ?? TRAINEE;

/** What somebody is in a call for: `partner`, or the mode of a listener (monitor, whisper, barge). */
export const wayOf = ({ role, mode }) => (role === "partner" ? "partner" : mode ?? "monitor");

export class Voices {
  #names = new Map();

  /** `names`: what is known from the start, by track. */
  constructor(names = {}) {
    for (const [track, name] of Object.entries(names)) if (name) this.#names.set(track, name);
  }

  /** Takes in who is there (`people` of a `presence` event). Who leaves keeps the name of what they said. */
  take(people) {
    for (const { track, name } of people) if (track) this.#names.set(track, name);
  }

  /** What to call whoever speaks on `track`. */
  name(track) {
    return this.#names.get(track) ?? text(`page.voice.${track.startsWith("coach") ? "coach" : track}`);
  }
}
