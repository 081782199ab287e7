// Audio frames for the node's WebSocket: 20 ms each, Opus where the browser has an encoder, else 16-bit PCM.

const BLOCK_US = 20_000;
const BLOCK_TICKS = 960;
const VERSION_AND_KIND = { opus: 0x11, pcm: 0x12 };
const OPUS = { codec: "opus", sampleRate: 48_000, numberOfChannels: 1, bitrate: 32_000 };
const FOR_SPEECH = { opus: { format: "opus", frameDuration: BLOCK_US, application: "voip", signal: "voice" } };
/** Blocks that may wait for the encoder; more are left out. */
const MOST_WAITING = 50;

/** What the browser can make: {format, rateHz, bytesPerS, config}; `config` is for its encoder, null for PCM. */
export async function chooseFormat() {
  for (const config of [{ ...OPUS, ...FOR_SPEECH }, OPUS]) {
    try {
      const { supported } = (await globalThis.AudioEncoder?.isConfigSupported(config)) ?? {};
      if (supported) return { format: "opus", rateHz: 48_000, bytesPerS: 5_000, config };
    } catch (error) {
      console.info("This browser's audio encoder does not know:", error);
    }
  }
  return { format: "pcm", rateHz: 16_000, bytesPerS: 33_000, config: null };
}

/** Makes frames of blocks, in order. `onFrame` gets each as an ArrayBuffer ready to be sent. */
export class Frames {
  #format;
  #onFrame;
  #onBroken;
  #encoder = null;
  #index = 0;

  constructor({ format, config }, onFrame, onBroken) {
    this.#format = format;
    this.#onFrame = onFrame;
    this.#onBroken = onBroken;
    if (!config) return;
    this.#encoder = new AudioEncoder({ output: (chunk) => this.#encoded(chunk), error: onBroken });
    this.#encoder.configure(config);
  }

  /** Takes 20 ms. What is left out keeps its number, so that the node knows of the gap. */
  push(block) {
    const index = this.#index;
    this.#index += 1;
    if (!this.#encoder) {
      this.#onFrame(framed(this.#format, index, int16(block)));
      return;
    }
    if (this.#encoder.state !== "configured" || this.#encoder.encodeQueueSize > MOST_WAITING) return;
    const data = new AudioData({
      format: "f32-planar",
      sampleRate: OPUS.sampleRate,
      numberOfFrames: block.length,
      numberOfChannels: 1,
      timestamp: index * BLOCK_US,
      data: block,
    });
    this.#encoder.encode(data);
    data.close();
  }

  close() {
    if (this.#encoder && this.#encoder.state !== "closed") this.#encoder.close();
  }

  #encoded(chunk) {
    if (chunk.duration !== null && chunk.duration !== BLOCK_US) {
      this.#onBroken(new Error(`The browser's encoder made a packet of ${chunk.duration} us.`));
      return;
    }
    const payload = new Uint8Array(chunk.byteLength);
    chunk.copyTo(payload);
    this.#onFrame(framed(this.#format, Math.round(chunk.timestamp / BLOCK_US), payload));
  }
}

/** The header of signaling/websocket.py before `payload`. */
function framed(format, index, payload) {
  const frame = new ArrayBuffer(8 + payload.length);
  const header = new DataView(frame);
  header.setUint8(0, VERSION_AND_KIND[format]);
  header.setUint16(2, index % 2 ** 16);
  header.setUint32(4, (index * BLOCK_TICKS) % 2 ** 32);
  new Uint8Array(frame, 8).set(payload);
  return frame;
}

/** Samples (full scale ±1) as little-endian 16-bit integers. */
function int16(block) {
  const bytes = new DataView(new ArrayBuffer(2 * block.length));
  block.forEach((sample, at) => bytes.setInt16(2 * at, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true));
  return new Uint8Array(bytes.buffer);
}
