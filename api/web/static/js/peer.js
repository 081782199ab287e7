// One peer connection to the node with its two data channels, whichever way the sound goes.

import { publish } from "./api.js";
import { envelopesOf } from "./envelopes.js";
import { iceServers } from "./ice.js";
import { text } from "./texts.js";

/** Beside the section with the microphone, sections of the offer on which others are heard. */
const MORE_EARS = 3;
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
  #microphone;

  /** `track` is heard at the node from the start, null for none yet. `streams`: what it is of. */
  constructor(track, streams = []) {
    super();
    this.pc = new RTCPeerConnection({ iceServers: [] });
    /** Where the node keeps this connection (RFC 9725): to end it there. */
    this.location = null;
    const { pc } = this;
    this.#microphone = pc.addTransceiver(track ?? "audio", { direction: "sendrecv", streams });
    preferOpus(this.#microphone);
    for (let more = 0; more < MORE_EARS; more += 1) pc.addTransceiver("audio", { direction: "recvonly" });
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

  /** What comes from the node, each of which is to be played; silent until somebody is to be heard. */
  get tracks() {
    const hears = ({ currentDirection }) => currentDirection === "recvonly" || currentDirection === "sendrecv";
    return this.pc.getTransceivers().filter(hears).map(({ receiver }) => receiver.track);
  }

  /** Sends `track` from now on, nothing with null. */
  replaceTrack(track) {
    return this.#microphone.sender.replaceTrack(track);
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

function preferOpus(transceiver) {
  const opus = RTCRtpSender.getCapabilities?.("audio")?.codecs.filter(({ mimeType }) => mimeType.toLowerCase() === "audio/opus");
  if (opus?.length && transceiver.setCodecPreferences) transceiver.setCodecPreferences(opus);
}
