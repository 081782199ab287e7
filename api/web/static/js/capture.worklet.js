// Hands the microphone's samples to the page: mono blocks of 20 ms at the rate that it asks for.

const BLOCKS_PER_S = 50;
const ZERO_CROSSINGS = 16;
const PASSED = 0.94;

/** Changes the rate with a windowed sinc, whose phases are few because both rates are whole numbers. */
class Resampler {
  constructor(from, to) {
    const common = divisor(from, to);
    this.step = from / common;
    this.phases = to / common;
    const cutoff = Math.min(1, to / from) * PASSED;
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff);
    this.taps = Array.from({ length: this.phases }, (_, phase) => kernel(this.half, phase / this.phases, cutoff));
    this.ring = new Float32Array(2 * this.half);
    this.taken = 0;
    this.at = 0;
    this.phase = 0;
  }

  /** Takes one sample; calls `give` with each that is due. */
  push(sample, give) {
    const { half, ring } = this;
    ring[this.taken % ring.length] = sample;
    this.taken += 1;
    while (this.at + half < this.taken) {
      const taps = this.taps[this.phase];
      let sum = 0;
      for (let k = 0; k < taps.length; k += 1) {
        const index = this.at - half + 1 + k;
        if (index >= 0) sum += taps[k] * ring[index % ring.length];
      }
      give(sum);
      this.phase += this.step;
      this.at += Math.floor(this.phase / this.phases);
      this.phase %= this.phases;
    }
  }
}

function kernel(half, fraction, cutoff) {
  const taps = Float64Array.from({ length: 2 * half }, (_, k) => {
    const t = k - half + 1 - fraction;
    const x = Math.PI * cutoff * t;
    const hann = 0.5 + 0.5 * Math.cos((Math.PI * t) / (half + 1));
    return (x === 0 ? 1 : Math.sin(x) / x) * hann;
  });
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
}

function divisor(a, b) {
  return b === 0 ? a : divisor(b, a % b);
}

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { rateHz } }) {
    super();
    this.size = rateHz / BLOCKS_PER_S;
    this.block = new Float32Array(this.size);
    this.filled = 0;
    this.resampler = rateHz === sampleRate ? null : new Resampler(sampleRate, rateHz);
  }

  process([channels]) {
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const mono = sum / channels.length;
      if (this.resampler) this.resampler.push(mono, (sample) => this.give(sample));
      else this.give(mono);
    }
    return true;
  }

  give(sample) {
    this.block[this.filled] = sample;
    this.filled += 1;
    if (this.filled < this.size) return;
    this.port.postMessage(this.block, [this.block.buffer]);
    this.block = new Float32Array(this.size);
    this.filled = 0;
  }
}

registerProcessor("forecourt-capture", Capture);
