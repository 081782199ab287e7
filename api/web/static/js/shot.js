// One photo of a vehicle: on its way to the node, waiting, worked on, done.

import { compare } from "./before-after.js";
import { element } from "./element.js";
import { keepingFocus } from "./focus.js";
import { inWords } from "./form.js";
import { failure, isOpen } from "./job.js";
import { dismiss, notify } from "./notices.js";
import { previewOf, thumbnail } from "./preview.js";
import { badge } from "./table.js";
import { has, language, text } from "./texts.js";

const TONES = { done: "good", failed: "bad", refused: "bad", cancelled: "warn", working: "info" };

export class Shot {
  /** What the node has of it, and how its upload stands: {file, percent, problem}. */
  picture = null;
  result = null;
  job = null;
  sending = null;
  #actions;
  #shown = "";

  /** `actions`: {replace, again, retry, cancel, cut, whole, remove}, each called with the shot; null where it is not one's own. */
  constructor(number, actions) {
    this.number = number;
    this.#actions = actions;
    this.root = element("li", { class: "shot", id: `shot-${number}` });
  }

  /** sending, refused, waiting, working, failed, cancelled, done or ready. */
  get state() {
    if (this.sending) return this.sending.problem ? "refused" : "sending";
    const { status } = this.job ?? {};
    if (status === "pending") return "waiting";
    if (status === "processing") return "working";
    if (status === "failed" || status === "dead") return "failed";
    if (status === "cancelled" && !this.result) return "cancelled";
    return this.result ? "done" : "ready";
  }

  get isOpen() {
    return isOpen(this.job);
  }

  /** Why a photo that was to be cut out was left as it is: a note of the job's; null where it was not. */
  get note() {
    return (this.state === "done" && this.job?.notes?.[0]) || null;
  }

  show() {
    const { state } = this;
    const about = JSON.stringify([language(), state, this.picture?.id, this.result?.id, this.job, this.sending?.percent, this.sending?.problem?.detail]);
    if (about === this.#shown) return;
    this.#shown = about;
    this.root.dataset.state = state;
    keepingFocus(() => this.root.replaceChildren(
      this.#thumbnail(),
      element("div", { class: "shot-said" },
        element("h3", {}, text("page.photos.shot", { number: this.number })),
        badge(TONES[state] ?? "plain", this.#words(state)),
        ...this.#progress(state),
        ...this.#problem(state)),
      element("div", { class: "row-actions" }, ...this.#buttons(state)),
    ));
  }

  async compare() {
    dismiss("compare");
    try {
      const [before, after] = await Promise.all([previewOf(this.picture.id), previewOf(this.result.id)]);
      await compare(text("page.photos.compare_of", { number: this.number }), before, after);
    } catch (problem) {
      notify("compare", "bad", inWords(problem));
    }
  }

  #thumbnail() {
    const upload = this.result ?? this.picture;
    if (!upload) return element("div", { class: "thumbnail-none", "aria-hidden": "true" });
    const alt = text(this.result ? "page.photos.result_of" : "page.photos.photo_of", { number: this.number });
    const failed = ({ code, detail }) => element("p", { class: "thumbnail-none" }, failure({ code, message: detail }));
    return element("div", { class: "thumbnail-box" }, thumbnail(upload.id, alt, failed));
  }

  get #isWhole() {
    return this.job?.jobType === "background_removal" && (this.note !== null || ["interior", "detail"].includes(this.job.settings.options.shot));
  }

  get #isCut() {
    return this.job?.jobType === "background_removal" && !this.#isWhole;
  }

  #words(state) {
    if (state === "sending") return text("page.photos.state.sending", { percent: this.sending.percent });
    if (state !== "working") return text(`page.photos.state.${state}`);
    const stage = `page.photos.stage.${this.job.stage}`;
    return text("page.photos.working_at", { stage: text(has(stage) ? stage : "page.photos.stage.other"), percent: this.job.progress });
  }

  #progress(state) {
    const value = { sending: this.sending?.percent, working: this.job?.progress }[state];
    return value === undefined ? [] : [element("progress", { max: "100", value, "aria-label": text("page.photos.progress_of", { number: this.number }) })];
  }

  #problem(state) {
    if (state === "refused") return [element("p", { class: "error" }, inWords(this.sending.problem))];
    if (state === "failed") return [element("p", { class: "error" }, failure(this.job.error))];
    if (this.note) return [element("p", { class: "hint" }, text(`page.photos.note.${this.note.code}`))];
    if (state === "waiting" && this.job.error) return [element("p", { class: "hint" }, text("page.photos.again_soon"))];
    return [];
  }

  #buttons(state) {
    const button = (name, run) => element(
      "button", { type: "button", class: "small", id: `shot-${this.number}-${name}`, "aria-label": text(`page.photos.do_of.${name}`, { number: this.number }), onclick: () => run(this) },
      text(`page.photos.do.${name}`));
    const can = this.#actions;
    const isHeld = ["sending", "waiting", "working"].includes(state);
    return [
      this.result && this.picture && button("compare", () => void this.compare()),
      can && state === "refused" && button("again", can.again),
      can && (state === "failed" || state === "cancelled") && button("retry", can.retry),
      can && isHeld && button("cancel", can.cancel),
      can && state === "done" && this.#isCut && button("whole", can.whole),
      can && state === "done" && this.#isWhole && button("cut", can.cut),
      can && !isHeld && this.picture && button("replace", can.replace),
      can && !isHeld && button("remove", can.remove),
    ].filter(Boolean);
  }
}
