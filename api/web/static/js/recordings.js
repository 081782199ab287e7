// The page of recorded calls: send one, follow how it is analysed, and go to its replay.

import { announce } from "./announce.js";
import { get, newKey, post, stream } from "./api.js";
import { inWords } from "./dialog.js";
import { Directory } from "./directory.js";
import { Drop } from "./drop.js";
import { byId, element } from "./element.js";
import { allRight, choice, field } from "./fields.js";
import { keepingFocus } from "./focus.js";
import { canRetry, failure, isOpen } from "./job.js";
import { nameOf as kindName } from "./kind.js";
import { nameOf } from "./me.js";
import { dismiss, notify } from "./notices.js";
import { showPager } from "./pager.js";
import { MOST_BYTES, send } from "./sending.js";
import { start } from "./start.js";
import { badge, Table } from "./table.js";
import { decimal, has, language, locale, text } from "./texts.js";

const LIMIT = 20;
const TOGETHER_MS = 300;
const SETTLED_MS = 2000;
const JOB_TYPE = "call_analysis";
const ACCEPTED = "audio/wav,audio/x-wav,audio/mpeg,audio/mp4,audio/x-m4a,audio/ogg,.wav,.mp3,.m4a,.ogg,.opus";
const RECORDINGS = /\.(wav|mp3|m4a|mp4|ogg|oga|opus)$/i;
const KINDS = ["pitch", "objection", "closing"];
const LANGUAGES = [["en", "English"], ["es", "Español (beta)"]];
const LAYOUTS = ["auto", "apart", "together"];
const TONES = { completed: "good", failed: "bad", dead: "bad", cancelled: "warn", processing: "info", pending: "plain" };

/** Of the words in which consent is asked for: a change of theirs is another version. */
const textVersion = () => `recording-2026-11-23${language() === "en" ? "" : `-${language()}`}`;

class Recordings {
  #me;
  #directory;
  #file = null;
  #uploadId = null;
  #sending = null;
  #jobs = [];
  #offset = 0;
  #total = 0;
  #timer = 0;
  #drop = null;
  #table = new Table(byId("jobs"), () => this.#columns());

  constructor(me, directory) {
    this.#me = me;
    this.#directory = directory;
    byId("recording").addEventListener("submit", (event) => { event.preventDefault(); void this.#submit(); });
    byId("recording").addEventListener("change", () => this.#arrange());
    byId("stop").addEventListener("click", () => this.#sending?.abort(new DOMException("Cancelled.", "AbortError")));
    addEventListener("beforeunload", (event) => { if (this.#sending) event.preventDefault(); });
    this.offer();
    void this.#follow();
  }

  /** Builds the fields, in the page's language. */
  offer() {
    const chosen = (id, usual) => document.getElementById(id)?.value ?? usual;
    const people = this.#directory.people.map((user) => [user.id, user.id === this.#me.id ? text("page.recordings.me", { name: nameOf(user) }) : nameOf(user)]);
    const positions = ["1", "2"].map((each) => [each, text(`page.recordings.trainees.${each}`)]);
    this.#drop = new Drop({ id: "file", accept: ACCEPTED, hint: "page.recordings.drop", action: "page.recordings.choose", chosen: ([file]) => this.#choose(file) });
    const fields = [
      field(text("page.recordings.whose"), choice("whose", people, chosen("whose", this.#me.id))),
      field(text("page.recordings.started"), this.#startedField(), text("page.recordings.started_hint")),
      field(text("page.recordings.kind"), choice("kind", KINDS.map((kind) => [kind, kindName(kind)]), chosen("kind", "pitch"))),
      field(text("page.recordings.language"), choice("spoken", LANGUAGES, chosen("spoken", "en"))),
      field(text("page.recordings.people"), choice("people", ["2", "1"].map((each) => [each, text(`page.recordings.peoples.${each}`)]), chosen("people", "2"))),
      field(text("page.recordings.trainee"), choice("trainee", positions, chosen("trainee", "1")), text("page.recordings.trainee_hint")),
      field(text("page.recordings.layout"), choice("layout", LAYOUTS.map((each) => [each, text(`page.recordings.layouts.${each}`)]), chosen("layout", "auto"))),
    ];
    keepingFocus(() => {
      byId("file-place").replaceChildren(this.#drop.root);
      byId("fields").replaceChildren(...fields);
    });
    byId("whose").closest(".field").hidden = people.length < 2;
    this.#arrange();
  }

  #startedField() {
    return element("input", { type: "datetime-local", id: "started", name: "started", class: "text-input", value: document.getElementById("started")?.value ?? "" });
  }

  async show() {
    try {
      const { items, total } = await get("/jobs", { jobType: JOB_TYPE, offset: this.#offset, limit: LIMIT });
      this.#jobs = items;
      this.#total = total;
      dismiss("list");
      this.#list();
    } catch (problem) {
      notify("list", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]);
    }
  }

  #list() {
    this.#table.show(this.#jobs, { empty: text("page.recordings.none") });
    showPager(byId("pager"), { offset: this.#offset, limit: LIMIT, total: this.#total, shown: this.#jobs.length }, (offset) => {
      this.#offset = offset;
      void this.show();
    });
  }

  async #follow() {
    try {
      await stream("/jobs", {
        onEvent: ({ data }) => this.#changed(data),
        // It tells from now on: what changed while it began is read once more.
        onState: (isConnected) => { if (isConnected) this.#soon(SETTLED_MS); },
      });
    } catch (problem) {
      notify("stream", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => { dismiss("stream"); void this.#follow(); } }]);
    }
  }

  #changed(job) {
    if (job.jobType !== JOB_TYPE) return;
    const at = this.#jobs.findIndex(({ id }) => id === job.id);
    if (at < 0) {
      this.#soon();
      return;
    }
    if (isOpen(this.#jobs[at]) && !isOpen(job)) announce(`${this.#title(job)}: ${this.#state(job)}`);
    this.#jobs[at] = job;
    this.#list();
  }

  #soon(ms = TOGETHER_MS) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.show(), ms);
  }

  // what is sent

  #choose(file) {
    const why = unfit(file);
    const error = byId("file-error");
    error.hidden = !why;
    error.textContent = why ?? "";
    this.#file = why ? null : file;
    this.#uploadId = null;
    this.#arrange();
  }

  #arrange() {
    byId("file-chosen").textContent = this.#file ? text("page.recordings.chosen", { name: this.#file.name, size: this.#file.size / 2 ** 20 }) : "";
    const isPair = byId("people").value === "2";
    for (const id of ["trainee", "layout"]) byId(id).closest(".field").hidden = !isPair;
    byId("sending").hidden = !this.#sending;
    byId("send").disabled = Boolean(this.#sending);
  }

  async #submit() {
    if (this.#sending) return;
    dismiss("sent");
    const consent = byId("consent");
    const wrong = [];
    if (!this.#file && byId("file-error").hidden) {
      byId("file-error").textContent = text("page.recordings.no_file");
      byId("file-error").hidden = false;
    }
    const started = byId("started");
    if (started.validity.badInput || new Date(started.value) > new Date()) wrong.push([started, text("page.recordings.not_past")]);
    if (!consent.checked) wrong.push([consent, text("page.recordings.no_consent")]);
    const isRight = allRight(byId("recording"), wrong);
    if (!this.#file) this.#drop.focus();
    if (!this.#file || !isRight) return;
    this.#sending = new AbortController();
    this.#sent(0);
    this.#arrange();
    byId("stop").focus();
    try {
      const { signal } = this.#sending;
      // What has arrived is not sent again where only what follows was refused.
      this.#uploadId ??= (await send(this.#file, {}, { signal, onSent: (percent) => this.#sent(percent) })).id;
      await post("/calls", this.#asked(this.#uploadId), { key: newKey() });
      this.#file = this.#uploadId = null;
      consent.checked = false;
      notify("sent", "good", text("page.recordings.sent"));
    } catch (problem) {
      if (problem.name !== "AbortError") notify("sent", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.#submit() }]);
    } finally {
      this.#sending = null;
      this.#arrange();
      byId("send").focus();
    }
    await this.show();
  }

  #asked(uploadId) {
    const isPair = byId("people").value === "2";
    const asked = {
      uploadId, sessionType: byId("kind").value, language: byId("spoken").value, people: isPair ? 2 : 1,
      consent: { attested: true, textVersion: textVersion() },
      ...(byId("started").value ? { startedAt: new Date(byId("started").value).toISOString() } : {}),
      ...(isPair ? { trainee: Number(byId("trainee").value), layout: byId("layout").value } : {}),
    };
    return byId("whose").value === this.#me.id ? asked : { ...asked, userId: byId("whose").value };
  }

  #sent(percent) {
    byId("sent").value = percent;
    byId("sent-words").textContent = text("page.recordings.sending", { percent: decimal(percent, 0) });
  }

  // what became of what was sent

  #columns() {
    return {
      caption: text("page.recordings.caption"),
      columns: [
        { head: text("page.recordings.call"), isName: true, cell: (job) => this.#name(job) },
        { head: text("page.recordings.when"), cell: ({ createdAt }) => new Date(createdAt).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" }) },
        { head: text("page.recordings.state"), cell: (job) => this.#stands(job) },
        { head: text("page.list.actions"), isWide: true, cell: (job) => this.#actions(job) },
      ],
    };
  }

  #title({ settings }) {
    return kindName(settings.sessionType);
  }

  #name(job) {
    const whose = this.#directory.name(job.settings.userId);
    return [element("span", { class: "person-name" }, this.#title(job)), whose && element("span", { class: "person-email" }, whose)].filter(Boolean);
  }

  #state({ status, stage, progress }) {
    if (status !== "processing") return text(`page.recordings.states.${status}`);
    const key = `page.recordings.stage.${stage}`;
    return text("page.recordings.working", { stage: text(has(key) ? key : "page.recordings.stage.other"), percent: String(progress) });
  }

  #stands(job) {
    return [
      badge(TONES[job.status], this.#state(job)),
      job.status === "processing" && element("progress", { max: "100", value: job.progress, "aria-label": text("page.recordings.progress_of", { call: this.#title(job) }) }),
      canRetry(job) && job.error && element("p", { class: "error" }, failure(job.error)),
      job.status === "pending" && job.error && element("p", { class: "hint" }, text("page.recordings.again_soon")),
    ].filter(Boolean);
  }

  #actions(job) {
    const button = (name) => element("button", { type: "button", class: "small", id: `${name}-${job.id}`, onclick: () => void this.#do(job, name) }, text(`page.recordings.do.${name}`));
    const isMine = job.userId === this.#me.id;
    return element(
      "div", { class: "row-actions" },
      job.status === "completed" && job.sessionId ? element("a", { class: "button small", href: `/replay#${job.sessionId}` }, text("page.recordings.do.replay")) : null,
      isOpen(job) ? button("cancel") : null,
      canRetry(job) && isMine ? button("retry") : null,
    );
  }

  async #do(job, action) {
    dismiss("job");
    try {
      this.#changed(await post(`/jobs/${job.id}/${action}`));
    } catch (problem) {
      notify("job", "bad", inWords(problem));
      await this.show();
    }
  }
}

/** Why a file is no recording that can be taken; null where it is one. */
function unfit({ name, type, size }) {
  if (!RECORDINGS.test(name) && !ACCEPTED.split(",").includes(type)) return text("page.recordings.no_recording");
  if (size === 0) return text("page.recordings.empty");
  if (size > MOST_BYTES.recording) return text("page.recordings.too_large", { size: size / 2 ** 20, most: String(MOST_BYTES.recording / 2 ** 20) });
  return null;
}

await start(async (me) => new Recordings(me, await Directory.of(me)));
