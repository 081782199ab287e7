// A call's sound and events from the node over one peer connection, subscribed to by WHEP; and one's own voice into it.

import { setMode, unpublish } from "./api.js";
import { Peer } from "./peer.js";

/** Events: those of Peer. */
export class Listener extends Peer {
  /** Listens at `whepUrl`; resolves when events flow. Throws a Problem of the api, Blocked or an Error. */
  static async open(whepUrl) {
    const made = new Listener(null);
    try {
      await made.connect(whepUrl, null);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  /** Takes part as `mode` says (monitor, whisper, barge). `consent`: as of api.js. Throws a Problem. */
  switch(mode, consent) {
    return setMode(this.location, mode, consent);
  }

  /** Closes the connection and tells the node (WHEP DELETE), which would notice by itself. */
  close() {
    this.pc.close();
    if (!this.location) return;
    unpublish(this.location).catch((error) => console.info("The node will notice by itself:", error));
    this.location = null;
  }
}
