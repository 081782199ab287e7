// The gauges: what is measured right now, and the scores so far.

import { byId, element } from "./element.js";
import { signed } from "./moment.js";
import { decimal, text as textOf } from "./texts.js";

const SCORES = ["confidence", "clarity", "pace", "volume"];
const TEXT_EVERY_MS = 300;
const TRACE_POINTS = 100;
const BRIDGED_POINTS = 3;
// As the node judges (engine/feedback.py, analyzers/delivery.py), so that needles and tips agree.
const QUIET_DB = -8;
const LOUD_DB = 8;
const COMFORTABLE_SYLLABLES = [3, 5];
const CLEAR_SNR_DB = 15;
const SMOOTHING = 0.3;
const LOWEST_PITCH_HZ = 60;
const HIGHEST_PITCH_HZ = 400;

/** A scale from `low` to `high` with a zone that is good; a needle for the value. */
class Gauge {
  /** `kind` ends a key of page.gauge; `marks` are keys of it, or empty. */
  constructor(kind, { low, high, zone, unit, marks }) {
    const name = textOf(`page.gauge.${kind}`);
    Object.assign(this, { low, high });
    const place = (value) => (value - low) / (high - low);
    this.needle = element("span", { class: "needle" });
    this.zone = element("span", { class: "zone" });
    this.meter = element("div", {
      class: "meter", role: "meter", "aria-label": name, "aria-valuemin": low, "aria-valuemax": high,
      "aria-valuenow": low, "aria-valuetext": textOf("page.gauge.nothing"), "data-empty": "true",
    }, this.zone, this.needle);
    this.value = element("span", { class: "reading-value" }, "–");
    this.caption = element("span", { class: "caption" });
    this.remark = element("p", { class: "remark" });
    this.unit = unit;
    this.root = element(
      "div", { class: "gauge", "data-gauge": kind },
      element("h3", {}, name, this.caption), this.value, this.meter,
      marks ? element("div", { class: "scale", "aria-hidden": "true" }, ...marks.map((mark) => element("span", {}, mark && textOf(`page.gauge.${mark}`)))) : null,
      this.remark,
    );
    if (zone) {
      this.zone.style.setProperty("--from", place(zone[0]));
      this.zone.style.setProperty("--to", place(zone[1]));
    }
  }

  /** Moves the needle; null empties the gauge. */
  point(value) {
    this.meter.dataset.empty = String(value === null);
    if (value === null) return;
    const share = Math.max(0, Math.min(1, (value - this.low) / (this.high - this.low)));
    this.needle.style.setProperty("--value", share.toFixed(4));
  }

  /** Writes the value, in a word what it means, and what else there is to say. */
  write(value, text, caption, remark = "") {
    this.value.replaceChildren(text ?? "–", text === null ? "" : element("small", {}, ` ${this.unit}`));
    this.caption.textContent = caption;
    this.remark.textContent = remark;
    this.remark.hidden = !remark;
    const now = value === null ? this.low : Math.max(this.low, Math.min(this.high, value));
    this.meter.setAttribute("aria-valuenow", now.toFixed(1));
    this.meter.setAttribute("aria-valuetext", text === null ? caption || textOf("page.gauge.nothing") : textOf("page.gauge.read", { value: text, unit: this.unit, caption }));
  }
}

/** The whole panel. `start` says what volume is compared with; `show` takes meters, `score` takes metrics. */
export class Gauges {
  #panel = byId("gauges");
  #gauges = {};
  #pitch = [];
  #pitchPath;
  #pitchValue = element("span", { class: "reading-value" }, "–");
  #link;
  #linkCaption = element("span", { class: "caption" });
  #linkFigures = element("p", { class: "remark" });
  #scores = new Map();
  #writtenAt = 0;
  #referenceDbfs = null;
  #volumeNote = "";
  #level = null;
  #wpm = null;
  #paused = false;

  /** `referenceDbfs`: the person's own speech level, or null, when `note` says why there is no comparison. */
  start(referenceDbfs, note) {
    this.#wpm = null;
    this.#paused = false;
    this.#pitch = [];
    this.#build();
    this.compare(referenceDbfs, note);
    this.score(null);
  }

  /** Changes what volume is compared with (another microphone came into use). */
  compare(referenceDbfs, note) {
    this.#referenceDbfs = referenceDbfs;
    this.#volumeNote = note;
    const against = referenceDbfs !== null;
    const gauge = against
      ? new Gauge("volume", { low: -24, high: 16, zone: [QUIET_DB, LOUD_DB], unit: "dB", marks: ["quieter", "usual", "louder"] })
      : new Gauge("volume", { low: -70, high: 0, zone: null, unit: "dBFS", marks: ["silent", "", "full_scale"] });
    this.#gauges.volume?.root.replaceWith(gauge.root);
    this.#gauges.volume = gauge;
    gauge.write(null, null, "", note);
    return gauge;
  }

  /** Freezes the gauges while nothing is heard. */
  pause(paused) {
    this.#paused = paused;
    this.#panel.dataset.paused = String(paused);
  }

  /** Takes one `meters` event's data. */
  show(meters) {
    if (this.#paused) return;
    const { volume, pace, clarity } = this.#gauges;
    const level = this.#volume(meters);
    volume.point(level);
    pace.point(meters.syllablesPerS);
    clarity.point(meters.snrDb);
    this.#trace(meters.speaking ? meters.pitchHz : null);
    const now = performance.now();
    if (now - this.#writtenAt < TEXT_EVERY_MS) return;
    this.#writtenAt = now;
    this.#writeVolume(level);
    const syllables = meters.syllablesPerS;
    pace.write(syllables, syllables === null ? null : decimal(syllables), paceCaption(syllables), this.#wpmRemark);
    clarity.write(meters.snrDb, meters.snrDb === null ? null : decimal(meters.snrDb, 0), clarityCaption(meters.snrDb));
    this.#pitchValue.replaceChildren(
      meters.pitchHz === null ? "–" : decimal(meters.pitchHz, 0), element("small", {}, meters.pitchHz === null ? "" : " Hz"),
    );
    this.#writeLink(meters.link);
  }

  /** Takes one `metrics` event's data; null clears the scores. */
  score(metrics) {
    this.#wpm = metrics?.quantities.rateWpm ?? null;
    for (const [key, { value, bar, root }] of this.#scores) {
      const score = metrics?.scores[key] ?? null;
      value.replaceChildren(score === null ? "–" : String(score), element("small", {}, ` ${textOf(score === null ? "page.score.not_yet" : "page.score.of")}`));
      bar.style.setProperty("--value", (score ?? 0) / 100);
      root.dataset.score = score ?? "";
    }
  }

  #build() {
    const pace = new Gauge("pace", { low: 1, high: 8, zone: COMFORTABLE_SYLLABLES, unit: textOf("page.gauge.syllables"), marks: ["slow", "comfortable", "fast"] });
    const clarity = new Gauge("clarity", { low: 0, high: 50, zone: [CLEAR_SNR_DB, 50], unit: textOf("page.gauge.over_noise"), marks: ["noisy", "", "clear"] });
    this.#gauges = { pace, clarity };
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "trace");
    svg.setAttribute("viewBox", `0 0 ${TRACE_POINTS} 100`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    this.#pitchPath = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.append(this.#pitchPath);
    const pitch = element("div", { class: "gauge", "data-gauge": "pitch" }, element("h3", {}, textOf("page.gauge.pitch")), this.#pitchValue, svg);
    const volume = this.compare(null, "");
    this.#link = element("div", { class: "gauge", "data-gauge": "link" }, element("h3", {}, textOf("page.gauge.connection"), this.#linkCaption), this.#linkFigures);
    this.#writeLink(null);
    this.#panel.replaceChildren(volume.root, pace.root, clarity.root, pitch, this.#link);
    this.#panel.dataset.paused = "false";
    pace.write(null, null, "", this.#wpmRemark);
    clarity.write(null, null, "");
    this.#buildScores();
  }

  #buildScores() {
    this.#scores.clear();
    for (const key of SCORES) {
      const value = element("span", { class: "score-value" });
      const bar = element("span", {});
      const root = element(
        "div", { class: "score", "data-score-name": key },
        element("span", { class: "score-name" }, textOf(`page.score.${key}`)), value, element("div", { class: "score-bar", "aria-hidden": "true" }, bar),
      );
      this.#scores.set(key, { value, bar, root });
    }
    byId("scores").replaceChildren(...[...this.#scores.values()].map(({ root }) => root));
  }

  // Against the person's own level, syllables rise and fall by 10 dB: the needle follows their mean over 0.3 s.
  #volume({ levelDbfs, speaking }) {
    if (this.#referenceDbfs === null) return levelDbfs;
    if (!speaking) this.#level = null;
    else this.#level = this.#level === null ? levelDbfs : this.#level + SMOOTHING * (levelDbfs - this.#level);
    return this.#level === null ? null : this.#level - this.#referenceDbfs;
  }

  #writeVolume(level) {
    const { volume } = this.#gauges;
    if (level === null) {
      volume.write(null, null, textOf("page.gauge.silent"));
    } else if (this.#referenceDbfs === null) {
      volume.write(level, decimal(level, 0), "", this.#volumeNote);
    } else {
      const caption = level < QUIET_DB ? "quieter_than_usual" : level > LOUD_DB ? "louder_than_usual" : "as_usual";
      volume.write(level, signed(level), textOf(`page.gauge.${caption}`));
    }
  }

  // Over the last second. What was lost and recovered is heard all the same. A good link is not in the way of the scores.
  #writeLink(link) {
    this.#link.hidden = !link?.weak;
    this.#linkCaption.textContent = textOf(`page.link.${!link ? "unmeasured" : link.weak ? "weak" : "good"}`);
    this.#linkFigures.hidden = !link;
    if (!link) return;
    const lost = { lost: link.concealedPct, recovered: link.recoveredPct };
    const figures = [
      textOf(`page.link.lost${link.recoveredPct > 0 ? "_recovered" : ""}`, lost), textOf("page.link.jitter", { value: link.jitterMs }),
      textOf("page.link.lag", { value: link.lagMs }), textOf("page.link.bitrate", { value: link.bitrateKbps }),
    ];
    this.#linkFigures.textContent = figures.join(", ");
  }

  get #wpmRemark() {
    return this.#wpm === null ? textOf("page.gauge.wpm_none") : textOf("page.gauge.wpm", { rate: this.#wpm });
  }

  // A line of the last ten seconds on a logarithmic scale, as pitch is heard; broken in pauses, not at consonants.
  #trace(pitchHz) {
    this.#pitch.push(pitchHz);
    if (this.#pitch.length > TRACE_POINTS) this.#pitch.shift();
    const span = Math.log2(HIGHEST_PITCH_HZ / LOWEST_PITCH_HZ);
    let path = "";
    let last = -Infinity;
    this.#pitch.forEach((hz, x) => {
      if (hz === null) return;
      const y = 100 * (1 - Math.max(0, Math.min(1, Math.log2(hz / LOWEST_PITCH_HZ) / span)));
      path += x - last <= BRIDGED_POINTS ? `L${x} ${y.toFixed(1)}` : `M${x} ${y.toFixed(1)}h.01`;
      last = x;
    });
    this.#pitchPath.setAttribute("d", path);
  }
}

function paceCaption(syllables) {
  if (syllables === null) return "";
  const [slow, fast] = COMFORTABLE_SYLLABLES;
  return textOf(`page.gauge.${syllables < slow ? "slow" : syllables > fast ? "fast" : "comfortable"}`);
}

function clarityCaption(snrDb) {
  if (snrDb === null) return "";
  if (snrDb >= CLEAR_SNR_DB) return textOf("page.gauge.clear");
  return textOf(`page.gauge.${snrDb >= CLEAR_SNR_DB / 2 ? "some_noise" : "covered"}`);
}
