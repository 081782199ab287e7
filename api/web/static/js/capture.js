// A microphone's samples in blocks of 20 ms, whichever track it has at the time.

import { text } from "./texts.js";

const STARTS_WITHIN_MS = 4000;

export class Capture {
  #context;
  #node;
  #source = null;
  #track = null;

  /**
   * Calls `onBlock` with every 20 ms of `track`: a Float32Array at `rateHz`, channels averaged. Throws when the
   * browser's sound does not start.
   */
  static async open(track, rateHz, onBlock) {
    const context = new AudioContext({ latencyHint: "interactive", ...silent() });
    try {
      await context.audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url));
      const node = new AudioWorkletNode(context, "forecourt-capture", {
        numberOfOutputs: 0,
        processorOptions: { rateHz },
      });
      node.port.onmessage = ({ data }) => onBlock(data);
      await started(context);
      const capture = new Capture(context, node);
      capture.replaceTrack(track);
      return capture;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  constructor(context, node) {
    this.#context = context;
    this.#node = node;
  }

  /** Listens to `track` from now on; with null to nothing, and no blocks come. */
  replaceTrack(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#source?.disconnect();
    this.#source = track && this.#context.createMediaStreamSource(new MediaStream([track]));
    this.#source?.connect(this.#node);
  }

  async close() {
    this.#node.port.onmessage = null;
    if (this.#context.state !== "closed") await this.#context.close();
  }
}

// Nothing is played: where a browser lets us say so, no loudspeaker is needed.
function silent() {
  return "setSinkId" in AudioContext.prototype ? { sinkId: { type: "none" } } : {};
}

function started(context) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(text("page.microphone.no_sound")));
    const timer = setTimeout(late, STARTS_WITHIN_MS);
    context.resume().then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
