// The second step: one read sentence, from which the person's own speech level and noise floor are kept.

import { checkMicrophone } from "./api.js";
import { announce } from "./announce.js";
import { all, forDevice, isAnyKnown, keep } from "./baseline.js";
import { byId, element, icon } from "./element.js";
import { listMicrophones } from "./microphone.js";
import { day } from "./moment.js";
import { dismiss, notify } from "./notices.js";
import { Tap, levelDbfs } from "./tap.js";
import { has, text, write } from "./texts.js";
import { wav } from "./wav.js";

const SILENCE_MS = 1000;
const READING_MS = 6000;
const LOWEST_DBFS = -65;

export class Check {
  #microphone;
  #done;
  #run = 0;

  /** `done()` is called when the person goes on, with a check kept for the open microphone or without one. */
  constructor(microphone, done) {
    this.#microphone = microphone;
    this.#done = done;
    byId("check-start").addEventListener("click", () => void this.#start());
    byId("check-continue").addEventListener("click", () => this.#leave());
    byId("check-skip").addEventListener("click", () => void this.#leaveOpen());
    byId("check-reuse").addEventListener("click", () => void this.#reuse());
    byId("check-device").addEventListener("change", (event) => void this.#pick(event.target.value));
    microphone.addEventListener("devices", () => void this.#list());
    microphone.addEventListener("lost", ({ problem }) => this.#failed(problem));
  }

  /** Whether a kept check fits and no question is needed: then the microphone is open already. */
  async isKnown() {
    if (!isAnyKnown()) return false;
    if (!this.#microphone.isOpen && !(await this.#microphone.isAllowed())) return false;
    try {
      if (!this.#microphone.isOpen) await this.#microphone.open();
    } catch (problem) {
      this.#failed(problem);
      return false;
    }
    return forDevice(this.#microphone.label) !== null;
  }

  /** Lays the step out afresh. */
  show() {
    this.#run += 1;
    this.#phase("idle");
    byId("verdict").hidden = true;
    this.#offer({ start: "page.check.start" });
    const [last] = all();
    byId("check-reuse").hidden = !last;
    const previous = byId("check-previous");
    previous.hidden = !last;
    if (last) previous.textContent = text("page.check.previous", { day: day(last.date), microphone: last.label });
    void this.#list();
  }

  async #list() {
    byId("check-picker").hidden = !this.#microphone.isOpen;
    if (this.#microphone.isOpen) await listMicrophones(byId("check-device"), this.#microphone);
  }

  async #open() {
    try {
      if (!this.#microphone.isOpen) await this.#microphone.open();
    } catch (problem) {
      this.#failed(problem);
      return false;
    }
    dismiss("microphone");
    await this.#list();
    return true;
  }

  async #pick(deviceId) {
    try {
      await this.#microphone.open(deviceId);
      dismiss("microphone");
    } catch (problem) {
      this.#failed(problem);
    }
    this.show();
  }

  async #reuse() {
    if (!(await this.#open())) return;
    if (forDevice(this.#microphone.label)) {
      this.#leave();
      return;
    }
    byId("check-reuse").hidden = true;
    notify("microphone", "info", text("page.check.unknown", { microphone: this.#microphone.label }));
  }

  async #start() {
    this.#run += 1;
    const run = this.#run;
    this.#offer({});
    byId("verdict").hidden = true;
    if (!(await this.#open())) {
      this.#offer({ start: "page.try_again" });
      return;
    }
    let tap;
    const blocks = [];
    try {
      tap = await Tap.open(this.#microphone.stream, (block) => {
        blocks.push(block);
        this.#level(block);
      });
    } catch (error) {
      console.error("The microphone could not be listened to:", error);
      this.#failed(new Error(text("page.check.no_sound")));
      return;
    }
    const { rateHz } = tap;
    this.#phase("silence");
    await this.#wait(SILENCE_MS, 0, run);
    this.#phase("reading");
    await this.#wait(READING_MS, SILENCE_MS, run);
    await tap.close();
    if (run !== this.#run) return;
    this.#phase("judging");
    await this.#judge(wav(blocks, rateHz), run);
  }

  async #judge(recording, run) {
    let result;
    try {
      result = await checkMicrophone(recording);
    } catch (problem) {
      if (run === this.#run) this.#failed(problem);
      return;
    }
    if (run !== this.#run) return;
    this.#phase("idle");
    const heard = typeof result.speechLevelDbfs === "number" && result.verdict !== "no_speech";
    if (heard && this.#microphone.levelIsTrue) this.#keep(result);
    this.#tell(result, heard);
    if (result.verdict === "ok") this.#offer({ forward: true, again: true });
    else this.#offer({ start: "page.check.again", skip: heard ? "page.check.anyway" : "page.check.skip" });
  }

  #keep({ speechLevelDbfs, noiseFloorDbfs, snrDb }) {
    keep({ label: this.#microphone.label, speechLevelDbfs, noiseFloorDbfs, snrDb, date: new Date().toISOString() });
  }

  #tell(result, heard) {
    const verdict = byId("verdict");
    const numbers = heard
      ? text("page.check.numbers", { speech: result.speechLevelDbfs, noise: result.noiseFloorDbfs, snr: result.snrDb })
      : "";
    const known = has(`page.check.verdict.${result.verdict}`) ? result.verdict : "other";
    const advice = has(`page.check.advice.${result.verdict}`) ? text(`page.check.advice.${result.verdict}`) : result.advice;
    const gain = this.#microphone.levelIsTrue ? "" : text("page.check.gain");
    const lines = [advice, gain].filter(Boolean).map((line) => element("p", {}, line));
    verdict.dataset.verdict = result.verdict;
    verdict.replaceChildren(
      icon(result.verdict === "ok" ? "check" : "turn"),
      element("strong", {}, text(`page.check.verdict.${known}`)),
      ...lines,
      element("p", { class: "numbers" }, numbers),
    );
    verdict.hidden = false;
    byId("reading").hidden = true;
    // The button that was pressed is gone; the result is where a keyboard or a screen reader goes on.
    verdict.focus();
  }

  #failed(problem) {
    if (byId("check-start").closest("section").hidden) return;
    this.#run += 1;
    this.#phase("idle");
    this.#offer({ start: "page.try_again", skip: this.#microphone.isOpen ? "page.check.skip" : null });
    notify("microphone", "bad", problem.detail ?? problem.message);
  }

  async #leaveOpen() {
    if (await this.#open()) this.#leave();
  }

  #leave() {
    this.#run += 1;
    dismiss("microphone");
    this.#done();
  }

  // `start` and `skip` are keys of what their buttons say.
  #offer({ start = null, forward = false, skip = null, again = false }) {
    const startButton = byId("check-start");
    startButton.hidden = !start && !again;
    write(startButton, start ?? "page.check.again");
    startButton.className = again ? "plain" : "primary";
    byId("check-continue").hidden = !forward;
    byId("check-skip").hidden = !skip;
    if (skip) write(byId("check-skip"), skip);
    byId("check-reuse").hidden = true;
    byId("check-previous").hidden = true;
    byId("check-device").disabled = !start && !again;
  }

  #phase(name) {
    byId("reading").hidden = false;
    byId("reading").dataset.phase = name;
    write(byId("check-cue"), `page.check.cue.${name}`);
    if (name === "reading") announce(text("page.check.read_now"));
    if (name === "idle" || name === "judging") {
      byId("check-level").firstElementChild.style.setProperty("--value", 0);
      byId("check-progress").firstElementChild.style.setProperty("--value", name === "idle" ? 0 : 1);
    }
  }

  #level(block) {
    const share = Math.max(0, Math.min(1, 1 - levelDbfs(block) / LOWEST_DBFS));
    byId("check-level").firstElementChild.style.setProperty("--value", share.toFixed(3));
  }

  #wait(forMs, alreadyMs, run) {
    const began = performance.now();
    const bar = byId("check-progress").firstElementChild;
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const passed = performance.now() - began;
        bar.style.setProperty("--value", Math.min(1, (alreadyMs + passed) / (SILENCE_MS + READING_MS)).toFixed(3));
        if (passed < forMs && run === this.#run) return;
        clearInterval(timer);
        resolve();
      }, 50);
    });
  }
}
