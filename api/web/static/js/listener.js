// One peer connection that brings a call's sound and events from the node: subscribed to by WHEP.

import { publish, unpublish } from "./api.js";
import { envelopesOf } from "./envelopes.js";
import { iceServers } from "./ice.js";
import { gathered, opened } from "./publication.js";

const OPENING_MS = 6000;

/**
 * Events: `message` (`detail`: one envelope, from either channel), `connection` (`detail`: the ICE state),
 * `closed` (the node closed the channel).
 */
export class Listener extends EventTarget {
  #pc = new RTCPeerConnection({ iceServers: [] });
  #stream = new MediaStream();
  #events;
  #location = null;

  /** Listens at `whepUrl`; resolves when events flow. Throws a Problem of the api, Blocked or an Error. */
  static async open(whepUrl) {
    const made = new Listener();
    try {
      await made.#connect(whepUrl);
    } catch (error) {
      made.leave();
      throw error;
    }
    return made;
  }

  constructor() {
    super();
    const pc = this.#pc;
    this.#events = pc.createDataChannel("events", { ordered: true });
    const meters = pc.createDataChannel("meters", { ordered: false, maxRetransmits: 0 });
    for (const channel of [this.#events, meters]) channel.addEventListener("message", ({ data }) => this.#receive(data));
    this.#events.addEventListener("close", () => this.dispatchEvent(new Event("closed")));
    pc.addEventListener("iceconnectionstatechange", () => this.#tell("connection", pc.iceConnectionState));
    this.#stream.addTrack(pc.addTransceiver("audio", { direction: "recvonly" }).receiver.track);
  }

  /** What is heard, for an audio element. */
  get stream() {
    return this.#stream;
  }

  /** Tells the node that this page is alive. */
  ping() {
    if (this.#events.readyState === "open") this.#events.send('{"type":"ping"}');
  }

  /** How much has come from the node so far: it grows with every packet and every acknowledged ping. */
  async receivedBytes() {
    let bytes = 0;
    for (const report of (await this.#pc.getStats()).values()) {
      if (report.type === "candidate-pair") bytes += report.bytesReceived ?? 0;
    }
    return bytes;
  }

  /** Closes the connection and tells the node (WHEP DELETE), which would notice by itself. */
  leave() {
    this.#pc.close();
    if (!this.#location) return;
    unpublish(this.#location).catch((error) => console.info("The node will notice by itself:", error));
    this.#location = null;
  }

  async #connect(whepUrl) {
    const pc = this.#pc;
    pc.setConfiguration({ iceServers: await iceServers(whepUrl, null, AbortSignal.timeout(OPENING_MS)) });
    await pc.setLocalDescription(await pc.createOffer());
    await gathered(pc);
    const answer = await publish(whepUrl, pc.localDescription.sdp, null, AbortSignal.timeout(OPENING_MS));
    this.#location = answer.location;
    await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    await opened(pc, this.#events);
  }

  #receive(text) {
    for (const envelope of envelopesOf(text)) this.#tell("message", envelope);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
