// The microphone: asking for it, what may go wrong, and what happens to it during a call.

import { recall, remember } from "./preferences.js";
import { text } from "./texts.js";

/**
 * Sound as the person makes it: level, noise and waveform are what Forecourt measures. Only what others in the call
 * say is taken out of it: somebody may come in at any time, and what cancels echoes moves the level of some devices.
 */
const WANTED = { autoGainControl: false, noiseSuppression: false, echoCancellation: true, channelCount: 1 };

const CODES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "absent",
  NotReadableError: "busy",
  AbortError: "busy",
  OverconstrainedError: "unsuitable",
};

/** Why there is no microphone: `code` ends a key of page.microphone, `message` is the sentence for the person. */
export class MicrophoneProblem extends Error {
  constructor(code) {
    super(text(`page.microphone.${code}`));
    this.name = "MicrophoneProblem";
    this.code = code;
  }
}

/** What stops this page from ever having a microphone here, as a MicrophoneProblem; null when nothing does. */
export function obstacle() {
  if (!navigator.mediaDevices?.getUserMedia) return new MicrophoneProblem(window.isSecureContext ? "unsupported" : "insecure");
  if (typeof RTCPeerConnection !== "function") return new MicrophoneProblem("unsupported");
  return null;
}

/**
 * Events: `changed` (another track is in use), `lost` (the device went away and none could replace it),
 * `closed` (it was given back), `muted` and `unmuted` (by the system), `devices` (the list of devices changed).
 */
export class Microphone extends EventTarget {
  #stream = null;
  #held = false;

  constructor() {
    super();
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#devicesChanged());
  }

  get track() {
    return this.#stream?.getAudioTracks()[0] ?? null;
  }

  get stream() {
    return this.#stream;
  }

  get isOpen() {
    return this.track?.readyState === "live";
  }

  get label() {
    return this.track?.label || text("page.microphone.unnamed");
  }

  /** What the browser really does, without the identifiers it gives devices. */
  get settings() {
    const reported = this.track?.getSettings() ?? {};
    const scalar = (value) => ["boolean", "number", "string"].includes(typeof value);
    return Object.fromEntries(Object.entries(reported).filter(([name, value]) => !name.endsWith("Id") && scalar(value)));
  }

  /** Whether the browser confirms that nothing moves the level by itself. */
  get levelIsTrue() {
    return this.settings.autoGainControl === false;
  }

  /** Opens `deviceId` (exactly that one), or the one used last, or the default. Throws MicrophoneProblem. */
  async open(deviceId = null) {
    const blocked = obstacle();
    if (blocked) throw blocked;
    const last = recall("device", null);
    const device = deviceId ? { deviceId: { exact: deviceId } } : last ? { deviceId: { ideal: last } } : {};
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { ...WANTED, ...device } });
    } catch (error) {
      throw new MicrophoneProblem(CODES[error.name] ?? "busy");
    }
    this.#release();
    this.#stream = stream;
    this.#held = true;
    const track = this.track;
    track.addEventListener("ended", () => this.#ended(track));
    track.addEventListener("mute", () => this.#tell("muted", track));
    track.addEventListener("unmute", () => this.#tell("unmuted", track));
    const used = track.getSettings().deviceId;
    if (used) remember("device", used);
    this.#tell("changed", track);
  }

  /** Gives the device back. */
  close() {
    this.#held = false;
    this.#release();
    this.dispatchEvent(new Event("closed"));
  }

  /** The microphones there are, as {id, label}; labels are empty until one was allowed. */
  async devices() {
    const known = await navigator.mediaDevices.enumerateDevices();
    return known.filter(({ kind }) => kind === "audioinput").map(({ deviceId, label }) => ({ id: deviceId, label }));
  }

  /** Whether the browser would open a microphone without asking. Unknown counts as no. */
  async isAllowed() {
    try {
      return (await navigator.permissions.query({ name: "microphone" })).state === "granted";
    } catch {
      return false;
    }
  }

  #release() {
    const stream = this.#stream;
    this.#stream = null;
    stream?.getTracks().forEach((track) => track.stop());
  }

  #tell(type, track) {
    if (track === this.track) this.dispatchEvent(new Event(type));
  }

  async #ended(track) {
    if (track !== this.track) return;
    this.#stream = null;
    await this.#reacquire();
  }

  async #devicesChanged() {
    if (this.#held && !this.isOpen) await this.#reacquire();
    this.dispatchEvent(new Event("devices"));
  }

  async #reacquire() {
    try {
      await this.open();
    } catch (problem) {
      this.dispatchEvent(Object.assign(new Event("lost"), { problem }));
    }
  }
}

/** Fills a <select> with the microphones there are, the open one chosen. */
export async function listMicrophones(select, microphone) {
  const devices = await microphone.devices();
  const current = microphone.track?.getSettings().deviceId;
  select.replaceChildren(
    ...devices.map(({ id, label }, index) => {
      const option = document.createElement("option");
      option.value = id;
      option.textContent = label || text("page.microphone.numbered", { number: index + 1 });
      option.selected = id === current;
      return option;
    }),
  );
}
