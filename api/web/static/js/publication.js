// The microphone to the node, what others say and events back over one peer connection: published by WHIP.

import { unpublish } from "./api.js";
import { Peer } from "./peer.js";

/** Events: those of Peer. */
export class Publication extends Peer {
  #token;

  /** Publishes `microphone` at `whipUrl`; resolves when events flow. Throws a Problem of the api, Blocked or an Error. */
  static async open({ whipUrl, microphone, token, resume }) {
    const made = new Publication(microphone, token);
    try {
      await made.connect(whipUrl, resume ? token : null);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  constructor(microphone, token) {
    super(microphone.track, microphone.stream ? [microphone.stream] : []);
    this.#token = token;
  }

  /** Closes the connection without ending the session. */
  close() {
    this.pc.close();
  }

  /** Ends the session at the node (WHIP DELETE). */
  async end() {
    if (this.location) await unpublish(this.location, this.#token);
  }
}
