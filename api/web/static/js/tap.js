// Listens to a MediaStream sample by sample, through an AudioWorklet.

const FLOOR_DBFS = -100;
const STARTS_WITHIN_MS = 4000;

/** RMS level of a block of samples (full scale ±1), dBFS re a full-scale square wave. */
export function levelDbfs(block) {
  let sum = 0;
  for (const sample of block) sum += sample * sample;
  return Math.max(FLOOR_DBFS, 10 * Math.log10(sum / block.length + 1e-12));
}

/** Calls back with every block of samples until stopped. */
export class Tap {
  /**
   * Starts listening to `stream`; must follow a click, or browsers keep audio suspended. Throws when sound does
   * not start: Firefox waits for ever on a machine without any sound output.
   */
  static async open(stream, onBlock) {
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule(new URL("./tap.worklet.js", import.meta.url));
      const node = new AudioWorkletNode(context, "forecourt-tap", { numberOfOutputs: 0 });
      node.port.onmessage = ({ data }) => onBlock(data);
      context.createMediaStreamSource(stream).connect(node);
      await started(context);
    } catch (error) {
      await context.close();
      throw error;
    }
    return new Tap(context);
  }

  constructor(context) {
    this.context = context;
  }

  get rateHz() {
    return this.context.sampleRate;
  }

  async close() {
    if (this.context.state !== "closed") await this.context.close();
  }
}

function started(context) {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`The audio context is still ${context.state} after ${STARTS_WITHIN_MS} ms.`));
    const timer = setTimeout(late, STARTS_WITHIN_MS);
    context.resume().then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
