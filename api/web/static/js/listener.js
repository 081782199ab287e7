// A call's sound and events from the node over one peer connection: subscribed to by WHEP.

import { unpublish } from "./api.js";
import { Peer } from "./peer.js";

/** Events: those of Peer. `stream` is what is heard, for an audio element. */
export class Listener extends Peer {
  /** Listens at `whepUrl`; resolves when events flow. Throws a Problem of the api, Blocked or an Error. */
  static async open(whepUrl) {
    const made = new Listener();
    try {
      await made.connect(whepUrl, null);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  constructor() {
    super();
    this.stream = new MediaStream();
    this.stream.addTrack(this.pc.addTransceiver("audio", { direction: "recvonly" }).receiver.track);
  }

  /** Closes the connection and tells the node (WHEP DELETE), which would notice by itself. */
  close() {
    this.pc.close();
    if (!this.location) return;
    unpublish(this.location).catch((error) => console.info("The node will notice by itself:", error));
    this.location = null;
  }
}
