// The replay page: one call (/replay#ID, or #ID?t=MS) with its waveforms, words and lanes, and what people say of it.

import { announce } from "./announce.js";
import { get, session as fetchSession } from "./api.js";
import { Comments } from "./comments.js";
import { Compare } from "./compare.js";
import { Dialog, inWords } from "./dialog.js";
import { byId, element, setIcon } from "./element.js";
import { titleOf, yours } from "./kind.js";
import { momentsList, momentsOf } from "./markers.js";
import { nameOf } from "./me.js";
import { clock, dateAndTime, duration } from "./moment.js";
import { dismissAll, notify } from "./notices.js";
import { Playback } from "./playback.js";
import { playbookOf } from "./playbook.js";
import { recall, remember } from "./preferences.js";
import { Reading } from "./reading.js";
import { CallRecord } from "./record.js";
import { Rubric } from "./rubric.js";
import { start } from "./start.js";
import { Tabs } from "./tabs.js";
import { decimal, text } from "./texts.js";
import { Timeline } from "./timeline.js";
import { TRAINEE, Voices } from "./voices.js";

const TYPES = "session.state,transcript.final,metrics,feedback,playbook,bookmark,note,presence,summary";
const LIVE = ["created", "active", "paused", "interrupted"];
const LOOK_AGAIN_MS = 3000;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
const STEP_MS = 5000;
const LONG_STEP_MS = 10_000;
/** Going back from a marker that has just been reached leads to the one before. */
const JUST_MS = 1500;
const KEYS = [
  [["Space", "K"], "play"], [["J"], "back_long"], [["L"], "on_long"], [["←", "→"], "step"], [["[", "]"], "marker"],
  [["+", "−"], "zoom"], [["<", ">"], "speed"], [["C"], "comment"], [["B"], "bookmark"], [["?"], "keys"],
];
const TYPING = "input:not([type=range], [type=radio], [type=checkbox]), textarea, select, dialog, [contenteditable]";
const ARROWED = "[type=range], [type=radio], [role=tab], [role=listbox], .word, .marker, .at";

class Replay {
  #me;
  #playback = new Playback(byId("sounds"), { time: (ms) => this.#time(ms), state: (isPlaying) => this.#state(isPlaying), failed: (problem) => this.#failed(problem) });
  #timeline = new Timeline(byId("timeline"), byId("zoom"), this.#playback, { seek: (ms) => this.#playback.seek(ms), chosen: (moment) => this.#choose(moment) });
  #reading = new Reading(byId("reading"), byId("follow"));
  #comments = new Comments({ now: () => this.#playback.ms, seek: (ms) => this.#jump(ms), changed: () => this.#marked() });
  #rubric = new Rubric();
  #compare = new Compare();
  #tabs = new Tabs(byId("tabs"), (name) => this.#opened(name));
  #session = null;
  #record = new CallRecord();
  #playbook = null;
  #voices = null;
  #moments = [];
  #loaded = new Set();
  #turn = 0;
  #again = 0;
  #shownS = -1;

  constructor(me) {
    this.#me = me;
    addEventListener("hashchange", () => void this.show());
    addEventListener("keydown", (event) => this.#pressed(event));
    byId("play").addEventListener("click", () => this.#playback.toggle());
    byId("back").addEventListener("click", () => this.#step(-STEP_MS));
    byId("on").addEventListener("click", () => this.#step(STEP_MS));
    byId("previous").addEventListener("click", () => this.#marker(-1));
    byId("next").addEventListener("click", () => this.#marker(1));
    byId("seek").addEventListener("input", ({ target }) => this.#playback.seek(Number(target.value)));
    byId("speed").addEventListener("change", ({ target }) => this.#speed(Number(target.value)));
    byId("copy").addEventListener("click", () => void this.#copy());
    byId("keys").addEventListener("click", () => this.#showKeys());
    byId("lanes-table-box").addEventListener("toggle", () => this.#table());
    byId("zoom-in").addEventListener("click", () => this.#timeline.zoomBy(2));
    byId("zoom-out").addEventListener("click", () => this.#timeline.zoomBy(-2));
  }

  /** Shows what the address asks for. */
  async show() {
    const [, id = null, at = "0"] = /^#([0-9a-f]{24})(?:\?t=(\d{1,9}))?$/.exec(location.hash) ?? [];
    if (id && id === this.#session?.id && !byId("replay").hidden && this.#shownLanguage === document.documentElement.lang) {
      this.#playback.seek(Number(at));
      return;
    }
    this.#turn += 1;
    clearTimeout(this.#again);
    dismissAll();
    this.#offer();
    if (!id) this.#tell("none");
    else await this.#load(id, Number(at), this.#turn);
  }

  #shownLanguage = null;

  async #load(id, atMs, turn) {
    this.#playback.unload();
    this.#timeline.clear();
    this.#loaded.clear();
    byId("replay").setAttribute("aria-busy", "true");
    try {
      const timeline = orProblem(get(`/sessions/${id}/timeline`, {}, { cache: "default" }));
      const told = orProblem(get(`/sessions/${id}/events`, { types: TYPES }));
      const session = await fetchSession(id);
      if (turn !== this.#turn) return;
      this.#session = session;
      const who = session.userId === this.#me.id ? Promise.resolve(nameOf(this.#me)) : orProblem(get(`/users/${session.userId}`)).then((user) => (user.profile ? nameOf(user) : ""));
      if (LIVE.includes(session.status)) return this.#wait("live", id, atMs, turn);
      if (session.recordingConsent === false) return this.#tell("unrecorded");
      const events = await told;
      if (turn !== this.#turn) return undefined;
      if (events.status !== undefined) throw events;
      if (!events.items.length && !session.tracks.length) return this.#tell("erased");
      const drawn = session.tracks.length ? null : await timeline;
      if (drawn?.code === "being_stored") return this.#wait("storing", id, atMs, turn);
      const trainee = await who;
      if (turn !== this.#turn) return undefined;
      await this.#play(session, events.items, typeof trainee === "string" ? trainee : "", atMs, timeline, turn);
    } catch (problem) {
      if (turn !== this.#turn) return undefined;
      if (problem.status === 404 || problem.status === 403) this.#tell("missing");
      else { this.#tell("failed"); notify("load", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void this.show() }]); }
    }
    return undefined;
  }

  async #play(session, items, trainee, atMs, asked, turn) {
    const record = this.#record = new CallRecord();
    for (const event of items) record.apply(event);
    const durationMs = session.durationMs || record.durationMs;
    this.#voices = new Voices({ [TRAINEE]: trainee });
    for (const { type, data } of items) if (type === "presence") this.#voices.take(data.people ?? []);
    const isMine = session.userId === this.#me.id;
    byId("replay-title").textContent = isMine ? yours(session.sessionType) : titleOf(session.sessionType);
    const facts = `${dateAndTime(session.startTime ?? session.createdAt)} · ${duration(durationMs)}`;
    byId("replay-lead").textContent = !isMine && trainee ? text("page.call.of", { name: trainee, facts }) : facts;
    byId("to-summary").href = `/calls#${session.id}`;
    byId("seek").max = durationMs;
    byId("total").textContent = clock(durationMs);
    this.#shownLanguage = document.documentElement.lang;
    this.#view("replay");
    const nameIt = (track) => this.#voices.name(track);
    this.#reading.show(record.spoken, nameIt, (ms) => this.#jump(ms));
    this.#opened(this.#tabs.shown ?? "moments");
    try {
      await this.#playback.load(session.id, session.tracks, durationMs, atMs);
    } catch (problem) {
      this.#failed(problem);
    }
    if (turn !== this.#turn) return;
    byId("transport").dataset.sound = String(this.#playback.hasSound);
    if (!session.tracks.length) notify("recording", "info", text("page.summary.no_recording"));
    this.#speed(recall("replay.speed", 1));
    this.#time(atMs);
    this.#state(false);
    byId("replay").removeAttribute("aria-busy");
    const [playbook, timeline] = await Promise.all([playbookOf(session), asked, this.#comments.show(session.id, true, this.#me.role === "admin")]);
    if (turn !== this.#turn) return;
    this.#playbook = playbook;
    const isDrawn = timeline.tracks !== undefined;
    if (!isDrawn && timeline.code !== "unrecorded") notify("timeline", "warn", inWords(timeline), [{ label: text("page.try_again"), run: () => void this.#redraw(session, durationMs) }]);
    await this.#timeline.show(isDrawn ? timeline : null, durationMs, nameIt);
    if (turn !== this.#turn) return;
    byId("lanes-table-box").hidden = !this.#timeline.hasLanes;
    this.#marked();
    this.#time(this.#playback.ms);
    byId("replay").dataset.ready = "true";
  }

  async #redraw(session, durationMs) {
    const timeline = await orProblem(get(`/sessions/${session.id}/timeline`));
    if (timeline.tracks === undefined) { notify("timeline", "warn", inWords(timeline)); return; }
    await this.#timeline.show(timeline, durationMs, (track) => this.#voices.name(track));
    byId("lanes-table-box").hidden = !this.#timeline.hasLanes;
    this.#marked();
  }

  // states without a call to play

  #tell(state) {
    this.#playback.unload();
    this.#session = null;
    this.#view("state");
    byId("state-title").textContent = text(`page.replay.state.${state}`);
    byId("state-text").textContent = text(`page.replay.state.${state}_text`);
    const [, id] = /^#([0-9a-f]{24})/.exec(location.hash) ?? [];
    byId("state-summary").hidden = !id || !["unrecorded", "erased", "live"].includes(state);
    byId("state-summary").href = `/calls#${id}`;
    byId("state-listen").hidden = state !== "live" || this.#me.role === "salesperson";
    byId("state-listen").href = `/listen#${id}`;
  }

  #wait(state, id, atMs, turn) {
    this.#tell(state);
    this.#again = setTimeout(() => { if (turn === this.#turn) void this.#load(id, atMs, turn); }, state === "live" ? LOOK_AGAIN_MS : 1000);
  }

  #view(view) {
    for (const name of ["replay", "state"]) byId(name).hidden = name !== view;
    document.title = text("page.replay.browser");
  }

  #offer() {
    byId("speed").replaceChildren(...SPEEDS.map((speed) => element("option", { value: speed, selected: speed === this.#playback.rate }, `${decimal(speed, speed % 1 === 0 ? 0 : speed % 0.5 === 0 ? 1 : 2)}×`)));
    for (const [id, key] of [["back", "page.replay.back"], ["on", "page.replay.on"]]) byId(id).setAttribute("aria-label", text(key, { seconds: STEP_MS / 1000 }));
  }

  // playing

  #time(ms) {
    this.#timeline.time(ms, this.#playback.isPlaying);
    this.#reading.time(ms);
    const seconds = Math.floor(ms / 1000);
    if (seconds === this.#shownS) return;
    this.#shownS = seconds;
    byId("now").textContent = clock(ms);
    const seek = byId("seek");
    seek.value = ms;
    seek.setAttribute("aria-valuetext", text("page.replay.of_time", { now: clock(ms), total: clock(this.#playback.durationMs) }));
  }

  #state(isPlaying) {
    setIcon(byId("play").querySelector("svg"), isPlaying ? "pause" : "play");
    const key = isPlaying ? "page.replay.pause" : "page.replay.play";
    byId("play").setAttribute("aria-label", text(key));
    byId("play").dataset.textAriaLabel = key;
  }

  #failed(problem) {
    notify("recording", "warn", problem ? inWords(problem) : text("page.replay.unplayable"));
  }

  #step(by) { this.#playback.seek(this.#playback.ms + by); }

  #jump(ms) {
    this.#playback.seek(ms);
    if (this.#playback.hasSound) this.#playback.play();
  }

  #choose(moment) {
    this.#jump(moment.ms);
    if (moment.id && this.#tabs.shown === "comments") this.#comments.reveal(moment.id);
  }

  #marker(by) {
    const { ms } = this.#playback;
    const found = by > 0 ? this.#moments.find((one) => one.ms > ms + 250) : this.#moments.findLast((one) => one.ms < ms - (this.#playback.isPlaying ? JUST_MS : 250));
    if (!found) return;
    this.#playback.seek(found.ms);
    announce(text("page.replay.marker", { time: clock(found.ms), name: found.name }));
  }

  #speed(rate) {
    const known = SPEEDS.includes(rate) ? rate : 1;
    this.#playback.rate = known;
    byId("speed").value = known;
    remember("replay.speed", known);
  }

  async #copy() {
    const link = new URL(location.href);
    link.hash = `${this.#session.id}?t=${Math.round(this.#playback.ms)}`;
    try {
      await navigator.clipboard.writeText(link.href);
      notify("copied", "good", text("page.replay.copied", { time: clock(this.#playback.ms) }));
    } catch (error) {
      console.info("The clipboard is not to be had:", error);
      const field = element("input", { class: "text-input", type: "text", readonly: true, "aria-label": text("page.replay.copy"), autofocus: true });
      field.value = link.href;
      await new Dialog(text("page.replay.copy"), field).open();
    }
  }

  // what is beside it

  #marked() {
    if (!this.#session) return;
    this.#moments = momentsOf(this.#record, this.#comments.items, this.#playbook);
    this.#timeline.mark(this.#moments);
    byId("moments").replaceChildren(...momentsList(this.#moments, (moment) => this.#choose(moment)));
    const count = this.#comments.items.filter(({ kind, text: said }) => kind === "comment" && said !== null).length;
    byId("comments-count").textContent = count ? String(count) : "";
  }

  // Each is fetched when it is looked at first.
  #opened(name) {
    if (!this.#session || this.#loaded.has(name)) return;
    this.#loaded.add(name);
    if (name === "rubric") void this.#rubric.show(this.#session.id, this.#me.role !== "salesperson");
    if (name === "compare") void this.#compare.show(this.#session);
  }

  #table() {
    if (!byId("lanes-table-box").open) return;
    byId("lanes-table").replaceChildren(this.#timeline.table((track) => this.#voices.name(track)));
  }

  // keys

  #pressed(event) {
    if (!this.#session || byId("replay").hidden || event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
    const { target } = event;
    if (!(target instanceof Element) || target.closest(TYPING)) return;
    const isArrow = event.key.startsWith("Arrow");
    if (isArrow && target.closest(ARROWED)) return;
    // A button's own key presses it.
    if (event.key === " " && target.closest("button, a, summary, input")) return;
    const { rate } = this.#playback;
    const run = {
      " ": () => this.#playback.toggle(), k: () => this.#playback.toggle(),
      j: () => this.#step(-LONG_STEP_MS), l: () => this.#step(LONG_STEP_MS),
      ArrowLeft: () => this.#step(-STEP_MS), ArrowRight: () => this.#step(STEP_MS),
      "[": () => this.#marker(-1), "]": () => this.#marker(1),
      "+": () => this.#timeline.zoomBy(2), "-": () => this.#timeline.zoomBy(-2),
      "<": () => this.#speed(SPEEDS[Math.max(0, SPEEDS.indexOf(rate) - 1)]), ">": () => this.#speed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(rate) + 1)]),
      c: () => { this.#tabs.show("comments"); this.#comments.begin(); },
      b: () => void this.#comments.bookmark(),
      "?": () => this.#showKeys(),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    run();
  }

  #showKeys() {
    const row = ([keys, name]) => element("div", {}, element("dt", {}, ...keys.map((key) => element("kbd", {}, key === "Space" ? text("page.replay.key.space") : key))), element("dd", {}, text(`page.replay.key.${name}`)));
    void new Dialog(text("page.replay.keys"), element("dl", { class: "keys-list" }, ...KEYS.map(row))).open();
  }
}

/** What is answered, or the Problem of it. */
async function orProblem(asked) {
  try {
    return await asked;
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    return problem;
  }
}

await start(async (me) => new Replay(me));
