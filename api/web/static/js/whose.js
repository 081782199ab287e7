// The gauges of one of those who speak, and the choice of whose they are once there are several.

import { byId, element } from "./element.js";
import { Gauges } from "./gauges.js";
import { TRAINEE } from "./voices.js";

export class Whose {
  #gauges = new Gauges();
  #select = byId("whose");
  #metricsOf;
  #voices = null;
  #tracks = [];
  #track = TRAINEE;

  /** `metricsOf(track)`: the newest data of a `metrics` event, or null. */
  constructor(metricsOf) {
    this.#metricsOf = metricsOf;
    this.#select.addEventListener("change", () => this.#choose(this.#select.value));
  }

  /** Begins with the trainee's. `voices` names the others. */
  start(voices) {
    this.#voices = voices;
    this.#tracks = [TRAINEE];
    this.named();
    this.#choose(TRAINEE);
  }

  /** Takes one `meters` event's data of `track`. */
  show(track, meters) {
    if (!this.#tracks.includes(track)) {
      this.#tracks.push(track);
      this.named();
    }
    if (track === this.#track) this.#gauges.show(meters);
  }

  /** There are new metrics of `track`. */
  score(track) {
    if (track === this.#track) this.#gauges.score(this.#metricsOf(track));
  }

  pause(isPaused) {
    this.#gauges.pause(isPaused);
  }

  /** Offers everybody by the name they have now. */
  named() {
    this.#select.replaceChildren(...this.#tracks.map((track) => element("option", { value: track, selected: track === this.#track }, this.#voices.name(track))));
    this.#select.hidden = this.#tracks.length < 2;
  }

  #choose(track) {
    this.#track = track;
    this.#gauges.start(null, "");
    this.#gauges.score(this.#metricsOf(track));
  }
}
