// The recordings of a call, one for each person, played as one: streamed by ranges, kept in step, at one speed.

import { playable, recordingUrl } from "./api.js";
import { element } from "./element.js";

/** An <audio> may ask for a recording for ten minutes; asked again a little before they are over. */
const ALLOWED_MS = 9 * 60_000;
const LOOK_EVERY_MS = 400;
/** What nobody hears is left alone; what is far out is set right at once; between them speed makes it up. */
const IN_STEP_S = 0.025;
const OUT_OF_STEP_S = 0.3;
const MOST_CORRECTION = 0.06;

export class Playback {
  #root;
  #audios = new Map();
  #sessionId = null;
  #durationMs = 0;
  #still = 0;
  #rate = 1;
  #allowedUntil = 0;
  #frame = 0;
  #looking = 0;
  #told;

  /** `root` holds the <audio> elements; `told` = {time(ms), state(isPlaying), failed(problem)}. */
  constructor(root, told) {
    this.#root = root;
    this.#told = told;
  }

  /** Whether there is anything to hear. */
  get hasSound() { return this.#audios.size > 0; }
  get durationMs() { return this.#durationMs; }
  get isPlaying() { return Boolean(this.master && !this.master.paused && !this.master.ended); }
  get ms() { return this.master ? Math.min(this.master.currentTime * 1000, this.#durationMs) : this.#still; }
  /** The element that the others follow; null without a recording. */
  get master() { return this.#audios.values().next().value ?? null; }
  audio(track) { return this.#audios.get(track) ?? null; }

  /** Makes the recordings of `tracks` ready to play from `atMs`. Throws the Problem of what may not be heard. */
  async load(id, tracks, durationMs, atMs) {
    this.unload();
    this.#sessionId = id;
    this.#durationMs = durationMs;
    this.#still = atMs;
    if (!tracks.length) return;
    await this.#allow();
    if (id !== this.#sessionId) return;
    for (const track of tracks) {
      const audio = element("audio", { preload: track === tracks[0] ? "metadata" : "auto", "data-track": track });
      audio.preservesPitch = true;
      audio.src = `${recordingUrl(id)}?track=${track}`;
      if (atMs) audio.currentTime = atMs / 1000;
      this.#audios.set(track, audio);
      this.#root.append(audio);
    }
    const { master } = this;
    master.addEventListener("play", () => this.#begun());
    master.addEventListener("playing", () => this.#others((audio) => void this.#start(audio)));
    master.addEventListener("waiting", () => this.#others((audio) => audio.pause()));
    master.addEventListener("pause", () => this.#ended());
    master.addEventListener("ended", () => this.#ended());
    master.addEventListener("seeking", () => this.#moved());
    master.addEventListener("seeked", () => this.#told.time(this.ms));
    for (const audio of this.#audios.values()) audio.addEventListener("error", () => void this.#mend(audio));
    this.rate = this.#rate;
  }

  unload() {
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#looking);
    for (const audio of this.#audios.values()) {
      audio.pause();
      audio.removeAttribute("src");
      audio.load();
      audio.remove();
    }
    this.#audios.clear();
    this.#sessionId = null;
    this.#allowedUntil = 0;
  }

  play() {
    if (!this.master) return;
    this.#renew();
    if (this.ms >= this.#durationMs - 50) this.seek(0);
    void this.#start(this.master);
  }

  pause() { this.master?.pause(); }
  toggle() { if (this.isPlaying) this.pause(); else this.play(); }

  /** Goes to `ms`; goes on playing if it does. */
  seek(ms) {
    const to = Math.max(0, Math.min(ms, this.#durationMs));
    this.#still = to;
    this.#renew();
    if (this.master) this.master.currentTime = to / 1000;
    this.#told.time(to);
  }

  get rate() { return this.#rate; }

  set rate(rate) {
    this.#rate = rate;
    for (const audio of this.#audios.values()) audio.playbackRate = rate;
  }

  isMuted(track) { return this.audio(track)?.muted ?? false; }
  mute(track, isMuted) { if (this.audio(track)) this.audio(track).muted = isMuted; }

  #others(act) {
    for (const audio of this.#audios.values()) if (audio !== this.master) act(audio);
  }

  async #start(audio) {
    try {
      await audio.play();
    } catch (error) {
      // A pause that comes before the sound does ends it.
      if (error.name !== "AbortError") console.warn("The recording did not play:", error);
    }
  }

  #begun() {
    this.#told.state(true);
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#looking);
    const step = () => {
      this.#told.time(this.ms);
      if (this.isPlaying) this.#frame = requestAnimationFrame(step);
    };
    step();
    this.#looking = setInterval(() => this.#keepInStep(), LOOK_EVERY_MS);
  }

  #ended() {
    clearInterval(this.#looking);
    this.#others((audio) => { audio.pause(); audio.currentTime = this.master.currentTime; });
    this.#told.state(false);
    this.#told.time(this.ms);
  }

  #moved() {
    const { currentTime } = this.master;
    this.#others((audio) => { audio.currentTime = currentTime; });
    this.#told.time(currentTime * 1000);
  }

  #keepInStep() {
    if (!this.isPlaying || this.master.seeking) return;
    this.#others((audio) => {
      if (audio.seeking) return;
      if (audio.paused && !audio.ended) void this.#start(audio);
      const ahead = audio.currentTime - this.master.currentTime;
      if (Math.abs(ahead) > OUT_OF_STEP_S) audio.currentTime = this.master.currentTime;
      const correction = Math.abs(ahead) > IN_STEP_S ? Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, -ahead)) : 0;
      const rate = this.#rate * (1 + correction);
      if (audio.playbackRate !== rate) audio.playbackRate = rate;
    });
  }

  async #allow() {
    await playable(this.#sessionId);
    this.#allowedUntil = performance.now() + ALLOWED_MS;
  }

  #renew() {
    if (this.#audios.size && performance.now() > this.#allowedUntil) void this.#allow().catch((problem) => this.#told.failed(problem));
  }

  // A long pause may have outlasted what was allowed. What else is wrong, asking again does not mend.
  async #mend(audio) {
    if (!this.#sessionId || performance.now() <= this.#allowedUntil) {
      if (this.#sessionId) this.#told.failed(null);
      return;
    }
    const at = audio.currentTime;
    try {
      await this.#allow();
      audio.load();
      audio.currentTime = at;
    } catch (problem) {
      this.#told.failed(problem);
    }
  }
}
