// One peer connection to the node with its two data channels, whichever way the sound goes.

import { publish } from "./api.js";
import { envelopesOf } from "./envelopes.js";
import { iceServers } from "./ice.js";
import { text } from "./texts.js";

const GATHERING_MS = 1500;
const OPENING_MS = 6000;

/** The node answered the offer, but nothing got through: most often a firewall or VPN that blocks UDP. */
export class Blocked extends Error {
  constructor() {
    super(text("page.problem.blocked"));
    this.name = "Blocked";
  }
}

/**
 * Events: `message` (`detail`: one envelope, from either channel), `connection` (`detail`: the ICE state),
 * `closed` (the node closed the channel).
 */
export class Peer extends EventTarget {
  #events;

  constructor() {
    super();
    this.pc = new RTCPeerConnection({ iceServers: [] });
    /** Where the node keeps this connection (RFC 9725): to end it there. */
    this.location = null;
    const { pc } = this;
    this.#events = pc.createDataChannel("events", { ordered: true });
    const meters = pc.createDataChannel("meters", { ordered: false, maxRetransmits: 0 });
    for (const channel of [this.#events, meters]) channel.addEventListener("message", ({ data }) => this.#receive(data));
    this.#events.addEventListener("close", () => this.dispatchEvent(new Event("closed")));
    pc.addEventListener("iceconnectionstatechange", () => this.#tell("connection", pc.iceConnectionState));
  }

  /** Sends a command; false when the channel is not open. */
  send(command) {
    if (this.#events.readyState !== "open") return false;
    this.#events.send(JSON.stringify(command));
    return true;
  }

  /** How much has come from the node so far: it grows with every acknowledged ping. */
  async receivedBytes() {
    let bytes = 0;
    for (const report of (await this.pc.getStats()).values()) {
      if (report.type === "candidate-pair") bytes += report.bytesReceived ?? 0;
    }
    return bytes;
  }

  /** Offers at `url` with `token`, if any; resolves when events flow. Throws a Problem of the api, Blocked or an Error. */
  async connect(url, token) {
    const { pc } = this;
    pc.setConfiguration({ iceServers: await iceServers(url, token, AbortSignal.timeout(OPENING_MS)) });
    await pc.setLocalDescription(await pc.createOffer());
    await gathered(pc);
    const answer = await publish(url, pc.localDescription.sdp, token, AbortSignal.timeout(OPENING_MS));
    this.location = answer.location;
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

/** Resolves when candidates are gathered. Host candidates come at once; a slow interface must not hold the call up. */
function gathered(pc) {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHERING_MS);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Resolves when `channel` is open; throws Blocked when it does not come. */
function opened(pc, channel) {
  if (channel.readyState === "open") return Promise.resolve();
  return new Promise((resolve, reject) => {
    const blocked = () => { clearTimeout(timer); reject(new Blocked()); };
    const timer = setTimeout(blocked, OPENING_MS);
    pc.addEventListener("iceconnectionstatechange", () => { if (pc.iceConnectionState === "failed") blocked(); });
    channel.addEventListener("open", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
