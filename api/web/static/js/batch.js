// The photos of one vehicle: added, shown as they come along, and taken away.

import { announce } from "./announce.js";
import { del, download, get, newKey, post, put, stream } from "./api.js";
import { confirmed, inWords } from "./dialog.js";
import { Drop } from "./drop.js";
import { byId, element } from "./element.js";
import { LookForm } from "./look.js";
import { dismiss, notify } from "./notices.js";
import { keepPreviews } from "./preview.js";
import { MOST_BYTES, send } from "./sending.js";
import { Shot } from "./shot.js";
import { locale, text } from "./texts.js";

const MOST_SHOTS = 99;
const MOST_JOBS = 200;
const TOGETHER_MS = 300;
const SETTLED_MS = 2000;
const ACCEPTED = "image/jpeg,image/png,image/webp,image/avif,image/gif,image/tiff";
const PICTURES = /\.(jpe?g|png|webp|avif|gif|tiff?)$/i;
const REMOVERS = ["admin", "manager"];

export class Batch {
  #batch;
  #isOwn;
  #canRemove;
  #shots = new Map();
  #look = null;
  #refused = [];
  #following = new AbortController();
  #timer = 0;
  #wasBusy = false;

  /** `batch` as the node tells it, of whoever `me` (a UserView) may read. */
  constructor(me, batch) {
    this.#batch = batch;
    this.#isOwn = batch.userId === me.id;
    this.#canRemove = this.#isOwn || REMOVERS.includes(me.role);
  }

  /** Builds the view afresh, in the page's language. */
  show() {
    const { vin, expiresAt } = this.#batch;
    const until = new Date(expiresAt).toLocaleDateString(locale(), { dateStyle: "long" });
    byId("batch-title").textContent = vin;
    byId("batch-lead").textContent = text(this.#isOwn ? "page.photos.kept_until" : "page.photos.colleagues", { until });
    byId("batch-actions").replaceChildren(
      this.#button("zip", () => void this.#archive()),
      ...(this.#canRemove ? [this.#button("remove", () => void this.#remove(), "danger")] : []),
    );
    const look = this.#look?.value ?? this.#batch.look;
    this.#look = new LookForm(look, () => this.#arrange());
    const add = new Drop({ id: "photos", accept: ACCEPTED, isMany: true, hint: "page.photos.drop", action: "page.photos.choose", chosen: (files) => this.#add(files) });
    byId("batch-add").replaceChildren(...(this.#isOwn ? [add.root] : []));
    byId("batch-look").hidden = !this.#isOwn;
    byId("look-place").replaceChildren(this.#look.root);
    byId("batch-work").replaceChildren(
      this.#button("start", () => void this.#start(false), "primary"),
      this.#button("all_again", () => void this.#start(true)),
      this.#button("retry", () => void this.#each("retry")),
      this.#button("cancel", () => void this.#each("cancel")),
    );
    for (const shot of this.#shots.values()) shot.show();
    this.#arrange();
  }

  /** Follows what happens to it, until `close`. */
  async follow() {
    const { signal } = this.#following;
    try {
      await stream("/jobs", {
        signal,
        onEvent: ({ data }) => this.#job(data),
        onState: (isConnected) => {
          if (!isConnected) return;
          void this.#refresh();
          // The stream tells from now on: what changed while it began is read once more.
          this.#soon(SETTLED_MS);
        },
      });
    } catch (problem) {
      notify("stream", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => { dismiss("stream"); void this.follow(); } }]);
    }
  }

  /** Whether photos are still on their way: whoever leaves now loses them. */
  get isSending() {
    return [...this.#shots.values()].some(({ state }) => state === "sending");
  }

  close() {
    this.#following.abort(new DOMException("The page left the batch.", "AbortError"));
    clearTimeout(this.#timer);
    for (const { root, sending } of this.#shots.values()) {
      sending?.stop.abort(this.#following.signal.reason);
      root.remove();
    }
    keepPreviews(new Set());
  }

  // what the node has

  async #refresh() {
    try {
      const [batch, { items: jobs }] = await Promise.all([
        get(`/batches/${this.#batch.id}`), get("/jobs", { batchId: this.#batch.id, limit: MOST_JOBS }),
      ]);
      if (this.#following.signal.aborted) return;
      this.#batch = batch;
      this.#take(batch.shots, jobs);
      dismiss("batch");
    } catch (problem) {
      if (this.#following.signal.aborted) return;
      notify("batch", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.#refresh() }]);
    }
  }

  #take(uploads, jobs) {
    const pictures = uploads.filter(({ kind }) => kind === "picture");
    for (const { shot: number } of pictures) this.#at(number);
    for (const [number, shot] of [...this.#shots]) {
      shot.picture = pictures.find((each) => each.shot === number) ?? null;
      shot.result = shot.picture && (uploads.findLast((each) => each.kind === "result" && each.shot === number) ?? null);
      shot.job = shot.picture && (jobs.find(({ inputFiles }) => inputFiles.includes(shot.picture.id)) ?? null);
      if (!shot.picture && !shot.sending) this.#drop(number);
    }
    keepPreviews(new Set(uploads.map(({ id }) => id)));
    this.#arrange();
  }

  #job(job) {
    if (job.batchId !== this.#batch.id) return;
    const shot = [...this.#shots.values()].find(({ picture }) => picture && job.inputFiles.includes(picture.id));
    if (!shot || job.status === "completed") {
      this.#soon();
      return;
    }
    if (shot.job && shot.job.createdAt > job.createdAt) return;
    shot.job = job;
    this.#arrange();
  }

  // Many jobs end in the same moment: what came of them is asked for once.
  #soon(ms = TOGETHER_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), ms);
  }

  // what is done here

  #add(files) {
    this.#refused = [];
    // As cameras number them: IMG_2 before IMG_10.
    const sorted = [...files].sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    for (const file of sorted) {
      const why = unfit(file);
      const number = why ? null : this.#free();
      if (number) this.#send(this.#at(number), file);
      else this.#refused.push([file.name, why ?? text("page.photos.too_many", { most: MOST_SHOTS })]);
    }
    this.#arrange();
  }

  #free() {
    for (let number = 1; number <= MOST_SHOTS; number += 1) if (!this.#shots.has(number)) return number;
    return null;
  }

  async #send(shot, file) {
    const stop = new AbortController();
    shot.sending = { file, percent: 0, problem: null, stop };
    this.#arrange();
    try {
      const made = await send(file, { batchId: this.#batch.id, shot: shot.number }, {
        signal: stop.signal,
        onSent: (percent) => {
          if (shot.sending) shot.sending.percent = percent;
          shot.show();
        },
      });
      Object.assign(shot, { sending: null, picture: made, result: null, job: null });
    } catch (problem) {
      if (stop.signal.aborted) {
        shot.sending = null;
        if (!shot.picture) this.#drop(shot.number);
      } else {
        shot.sending.problem = problem;
      }
    }
    this.#arrange();
  }

  #replace(shot) {
    const input = element("input", { type: "file", id: "replacement", accept: ACCEPTED, hidden: true });
    input.addEventListener("change", () => {
      const [file] = input.files;
      const why = unfit(file);
      this.#refused = why ? [[file.name, why]] : [];
      if (why) this.#arrange();
      else void this.#send(shot, file);
      input.remove();
    });
    input.addEventListener("cancel", () => input.remove());
    document.body.append(input);
    input.click();
  }

  async #start(isAgain) {
    if (!this.#look.check()) return;
    const idle = [...this.#shots.values()].filter(({ picture, isOpen, sending }) => picture && !isOpen && !sending);
    const wanted = (isAgain ? idle : idle.filter(({ result }) => !result)).map(({ number }) => number);
    await this.#make(wanted);
  }

  /** Gives the look to the shots of these numbers; `takenFor`: what they show, where that is known better. */
  async #make(wanted, takenFor = null) {
    await this.#do(async () => {
      const { value } = this.#look;
      if (JSON.stringify(value) !== JSON.stringify(this.#batch.look)) {
        const { id, version } = await get(`/batches/${this.#batch.id}`);
        Object.assign(this.#batch, await put(`/batches/${id}`, { look: value }, { version }));
      }
      await post(`/batches/${this.#batch.id}/jobs`, { shots: wanted, takenFor }, { key: newKey() });
      announce(text("page.photos.started", { count: wanted.length }));
    });
  }

  /** "retry" what failed, or "cancel" what is open. */
  async #each(action) {
    const isMeant = { retry: ({ state }) => state === "failed" || state === "cancelled", cancel: ({ isOpen }) => isOpen }[action];
    const jobs = [...this.#shots.values()].filter(isMeant).map(({ job }) => job);
    await this.#do(async () => { for (const { id } of jobs) await post(`/jobs/${id}/${action}`); });
  }

  #cancel(shot) {
    if (shot.sending) shot.sending.stop.abort(new DOMException("Cancelled.", "AbortError"));
    else void this.#do(() => post(`/jobs/${shot.job.id}/cancel`));
  }

  async #removeShot(shot) {
    if (!shot.picture) {
      this.#drop(shot.number);
      this.#arrange();
      return;
    }
    const isDone = await confirmed({
      title: text("page.photos.remove_shot", { number: shot.number }),
      says: text("page.photos.remove_shot_says"),
      action: text("page.photos.do.remove"),
      run: async () => {
        const { shots } = await get(`/batches/${this.#batch.id}`);
        const gone = shots.filter((each) => each.shot === shot.number);
        // The photo last: where one of them cannot be removed, the rest is still shown.
        for (const { id } of gone.reverse()) await del(`/uploads/${id}`);
      },
    });
    if (isDone) await this.#refresh();
  }

  async #archive() {
    await this.#do(() => download(`/batches/${this.#batch.id}/archive`, `${this.#batch.vin}.zip`));
  }

  async #remove() {
    const isDone = await confirmed({
      title: text("page.photos.remove_batch"),
      says: text("page.photos.remove_batch_says"),
      action: text("page.photos.do_batch.remove"),
      typed: this.#batch.vin.slice(-4),
      run: () => del(`/batches/${this.#batch.id}`),
    });
    if (isDone) location.hash = "";
  }

  async #do(work) {
    dismiss("batch");
    try {
      await work();
    } catch (problem) {
      notify("batch", "bad", inWords(problem));
    }
    this.#soon();
  }

  // what is seen

  #at(number) {
    if (!this.#shots.has(number)) {
      const actions = {
        replace: (shot) => this.#replace(shot),
        again: (shot) => void this.#send(shot, shot.sending.file),
        retry: (shot) => void this.#do(() => post(`/jobs/${shot.job.id}/retry`)),
        cancel: (shot) => this.#cancel(shot),
        cut: (shot) => this.#make([shot.number], "exterior"),
        whole: (shot) => this.#make([shot.number], "detail"),
        remove: (shot) => void this.#removeShot(shot),
      };
      this.#shots.set(number, new Shot(number, this.#isOwn ? actions : null));
    }
    return this.#shots.get(number);
  }

  #drop(number) {
    const { root } = this.#shots.get(number);
    // The focus must not fall to the top of the page with what held it.
    if (root.contains(document.activeElement)) byId("batch-title").focus();
    root.remove();
    this.#shots.delete(number);
  }

  #arrange() {
    if (this.#following.signal.aborted) return;
    const shots = [...this.#shots.values()].sort((one, other) => one.number - other.number);
    const list = byId("shots");
    for (const shot of shots) shot.show();
    shots.forEach(({ root }, at) => { if (list.children[at] !== root) list.insertBefore(root, list.children[at] ?? null); });
    byId("shots-none").hidden = shots.length > 0;
    this.#showRefused();
    this.#showCounts(shots);
  }

  #showRefused() {
    const rows = this.#refused.map(([name, why]) => element("li", {}, element("strong", {}, name), " ", why));
    byId("refused").hidden = !rows.length;
    byId("refused-list").replaceChildren(...rows);
  }

  #showCounts(shots) {
    const of = (...states) => shots.filter(({ state }) => states.includes(state)).length;
    const counts = { total: shots.length, done: of("done"), failed: of("failed", "refused"), busy: of("sending", "waiting", "working") };
    const said = shots.length ? text("page.photos.counts", counts) : "";
    if (byId("batch-count").textContent !== said) byId("batch-count").textContent = said;
    byId("batch-progress").hidden = !counts.busy;
    byId("batch-progress").value = shots.length ? Math.round(shots.reduce((sum, shot) => sum + share(shot), 0) / shots.length) : 0;
    const idle = shots.filter(({ picture, isOpen, sending }) => picture && !isOpen && !sending);
    const enabled = {
      start: idle.some(({ result }) => !result), all_again: idle.some(({ result }) => result),
      retry: of("failed", "cancelled") > 0, cancel: shots.some(({ isOpen }) => isOpen),
    };
    byId("batch-start").hidden = !enabled.start && enabled.all_again;
    byId("batch-start").disabled = !enabled.start;
    for (const name of ["all_again", "retry", "cancel"]) byId(`batch-${name}`).hidden = !enabled[name];
    byId("batch-zip").hidden = !shots.some(({ result }) => result);
    if (this.#wasBusy && !counts.busy) announce(text("page.photos.over", counts));
    this.#wasBusy = counts.busy > 0;
  }

  #button(name, run, tone = null) {
    return element("button", { type: "button", id: `batch-${name}`, class: tone, onclick: run }, text(`page.photos.do_batch.${name}`));
  }
}

/** How far a photo is on its whole way, in percent. */
function share({ state, job }) {
  if (state === "working") return job.progress;
  return ["done", "failed", "refused", "cancelled"].includes(state) ? 100 : 0;
}

/** Why a file is no photo that can be taken; null where it is one. */
function unfit({ name, type, size }) {
  if (/\.hei[cf]$/i.test(name) || /^image\/hei[cf]/.test(type)) return text("page.photos.heic");
  if (!PICTURES.test(name) && !ACCEPTED.split(",").includes(type)) return text("page.photos.no_photo");
  if (size === 0) return text("page.photos.empty");
  if (size > MOST_BYTES.picture) return text("page.photos.too_large", { size: size / 2 ** 20, most: MOST_BYTES.picture / 2 ** 20 });
  return null;
}
