// What is heard of a call: every track that comes from the node, each played by an <audio> of its own.

import { element } from "./element.js";

export class Ears {
  #root;
  #blocked;
  #isMuted = false;
  #volume = 1;

  /** Plays inside `root`; `blocked()` is called where the browser plays nothing before a click, which `play` has to follow. */
  constructor(root, blocked) {
    this.#root = root;
    this.#blocked = blocked;
  }

  get isMuted() {
    return this.#isMuted;
  }

  /** Plays `tracks` from now on, in the place of those before. */
  hear(tracks) {
    this.close();
    this.#root.append(...tracks.map((track) => this.#player(track)));
    this.play();
  }

  /** Begins to play; again after `blocked`. */
  play() {
    for (const player of this.#root.children) {
      player.play().catch((error) => { if (error.name === "NotAllowedError") this.#blocked(); });
    }
  }

  mute(isMuted) {
    this.#isMuted = isMuted;
    for (const player of this.#root.children) player.muted = isMuted;
  }

  /** `volume`: 0 to 1. */
  volume(volume) {
    this.#volume = volume;
    for (const player of this.#root.children) player.volume = volume;
  }

  close() {
    for (const player of this.#root.children) player.srcObject = null;
    this.#root.replaceChildren();
  }

  #player(track) {
    const player = element("audio", { autoplay: true });
    player.srcObject = new MediaStream([track]);
    player.muted = this.#isMuted;
    player.volume = this.#volume;
    return player;
  }
}
