// The microphone to the node and events back over one WebSocket, for networks that let no WebRTC through.
// The protocol is told in signaling/websocket.py.

import { Problem, detailOf, unreachable } from "./api.js";
import { Capture } from "./capture.js";
import { envelopesOf } from "./envelopes.js";
import { Frames, chooseFormat } from "./frames.js";

const SUBPROTOCOL = "forecourt.v1";
const OPENING_MS = 6000;
const REFUSED = 4000;
/** Sound that may wait in the browser's own buffer, from which nothing can be taken back. */
const BUFFERED_S = 2;
/** Frames of 20 ms that wait before that; beyond 8 s the oldest are left out. */
const MOST_WAITING = 400;

/**
 * The same as Publication. Events: `message` (`detail`: one envelope), `closed` (the connection is gone), `dropped`
 * (`detail`: seconds of sound left out so far, because the network did not take it).
 */
export class SocketPublication extends EventTarget {
  #socket;
  #capture = null;
  #frames = null;
  #format;
  #waiting = [];
  #droppedFrames = 0;
  #received = 0;
  #isOpen = false;

  /** Publishes `microphone` at `socketUrl`; resolves when events flow. Throws a Problem, or an Error. */
  static async open({ socketUrl, microphone, token }) {
    const made = new SocketPublication(socketUrl, await chooseFormat());
    try {
      await made.#connect(token, microphone);
    } catch (error) {
      made.close();
      throw error;
    }
    return made;
  }

  constructor(socketUrl, format) {
    super();
    this.#format = format;
    const url = new URL(socketUrl, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.addEventListener("message", ({ data }) => this.#receive(data));
    this.#socket.addEventListener("close", () => this.#closed());
  }

  /** Sends a command; false when the connection is not open. */
  send(command) {
    if (!this.#isOpen) return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  /** What there is to play: nobody else is heard this way. */
  get tracks() {
    return [];
  }

  /** How much has come from the node so far: it grows with every answered ping. */
  async receivedBytes() {
    return this.#received;
  }

  async replaceTrack(track) {
    this.#capture?.replaceTrack(track);
  }

  /** Closes the connection without ending the session. */
  close() {
    this.#isOpen = false;
    this.#socket.close();
    this.#frames?.close();
    void this.#capture?.close();
  }

  /** Ends the session at the node. */
  async end() {
    this.send({ type: "end" });
  }

  async #connect(token, microphone) {
    const { format, rateHz } = this.#format;
    await answered(this.#socket, "open");
    this.#socket.send(JSON.stringify({ type: "hello", token, format, rate: rateHz }));
    await answered(this.#socket, "message");
    this.#isOpen = true;
    this.#frames = new Frames(this.#format, (frame) => this.#give(frame), (error) => this.#broken(error));
    this.#capture = await Capture.open(microphone.track, rateHz, (block) => this.#frames.push(block));
    if (!this.#isOpen) throw new Problem(0, "The WebSocket closed", unreachable());
    // It may have changed meanwhile.
    this.#capture.replaceTrack(microphone.track);
  }

  #give(frame) {
    if (!this.#isOpen) return;
    this.#waiting.push(frame);
    const most = BUFFERED_S * this.#format.bytesPerS;
    while (this.#waiting.length && this.#socket.bufferedAmount < most) this.#socket.send(this.#waiting.shift());
    if (this.#waiting.length <= MOST_WAITING) return;
    this.#waiting.shift();
    this.#droppedFrames += 1;
    if (this.#droppedFrames % 50 === 1) this.#tell("dropped", this.#droppedFrames / 50);
  }

  #receive(text) {
    this.#received += text.length;
    for (const envelope of envelopesOf(text)) this.#tell("message", envelope);
  }

  #broken(error) {
    console.error("The browser's audio encoder failed:", error);
    this.#closed();
  }

  #closed() {
    if (!this.#isOpen) return;
    this.close();
    this.dispatchEvent(new Event("closed"));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// Resolves with the next event of this kind; a socket that closes instead says why in its code.
function answered(socket, kind) {
  return new Promise((resolve, reject) => {
    const failed = () => reject(new Problem(0, "No WebSocket", unreachable()));
    const timer = setTimeout(failed, OPENING_MS);
    socket.addEventListener(kind, () => { clearTimeout(timer); resolve(); }, { once: true });
    socket.addEventListener("close", ({ code, reason }) => {
      clearTimeout(timer);
      if (code >= REFUSED) reject(new Problem(code - REFUSED, "The server refused", detailOf(code - REFUSED, reason)));
      else failed();
    });
  });
}
