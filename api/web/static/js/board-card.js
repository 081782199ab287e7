// One live call on the board: a card that stays where it is while what it says changes.

import { kindOf } from "./cards.js";
import { element, icon, unseen } from "./element.js";
import { nameOf as kindName } from "./kind.js";
import { clock } from "./moment.js";
import { has, text } from "./texts.js";
import { wayOf } from "./voices.js";

const SCORES = ["confidence", "clarity", "pace", "volume"];

const known = (code) => (has(`page.board.alert.${code}`) ? code : "other");

/** What an alert says: {code}. */
export const alertName = ({ code }) => text(`page.board.alert.${known(code)}`);

const shortName = ({ code }) => text(`page.board.alert_short.${known(code)}`);

export class BoardCard {
  #call;
  #teamName;
  #receivedAt = 0;
  #time = element("span", { class: "call-time" });
  #name = element("h2", {});
  #what = element("p", { class: "call-what" });
  #state = element("p", { class: "call-state" });
  #now = element("div", { class: "call-now" });
  #scores = new Map();
  #words = element("p", { class: "call-words" });
  #people = element("p", { class: "call-people" });
  #listen;
  #shown = {};

  /** `teamName(id)`: what a team is called, or null. */
  constructor(call, teamName) {
    this.#teamName = teamName;
    this.#listen = element("a", { class: "button small primary", href: `/listen#${call.id}` }, icon("headphones"));
    this.root = element(
      "li", { class: "call", "data-id": call.id },
      element("div", { class: "call-head" }, this.#name, this.#time, this.#what, this.#state),
      this.#now,
      element("dl", { class: "call-scores" }, ...SCORES.map((key) => this.#score(key))),
      this.#words,
      element("div", { class: "call-foot" }, this.#people, this.#listen),
    );
    this.show(call);
  }

  get call() {
    return this.#call;
  }

  /** Shows the call as it is now. */
  show(call) {
    this.#call = call;
    this.#receivedAt = performance.now();
    this.#lay();
  }

  /** Shows the same in another language. */
  again() {
    this.#shown = {};
    this.#lay();
  }

  #lay() {
    const call = this.#call;
    this.root.dataset.status = call.status;
    this.root.dataset.alerts = String(call.alerts.length > 0);
    this.#once("head", [call.name, call.sessionType, call.teamId, call.status], () => this.#head(call));
    this.#once("scores", call.scores, () => this.#showScores(call.scores ?? {}));
    this.#once("words", call.lastWords, () => this.#showWords(call));
    this.#once("people", call.people, () => this.#showPeople(call.people));
    this.#once("now", [call.alerts.map(({ code, sinceMs }) => [code, sinceMs]), call.lastFeedback], () => this.#showNow(call));
    this.tick();
  }

  /** Shows how late it is. */
  tick() {
    const nowMs = this.#call.durationMs + performance.now() - this.#receivedAt;
    this.#time.textContent = clock(nowMs);
    this.#call.alerts.forEach((alert, index) => {
      this.#now.children[index].querySelector("time").textContent = clock(nowMs - alert.sinceMs);
    });
  }

  // What has not changed is left alone: a reader's place and the layout's work.
  #once(part, value, show) {
    const now = JSON.stringify(value);
    if (this.#shown[part] === now) return;
    this.#shown[part] = now;
    show();
  }

  #head({ name, sessionType, teamId, status }) {
    // It is looked up when the call begins.
    this.#name.textContent = name || "…";
    this.#name.title = name;
    const team = this.#teamName(teamId);
    this.#what.textContent = [kindName(sessionType), team].filter(Boolean).join(" · ");
    this.#state.textContent = text(`page.board.status.${status}`);
    this.#listen.replaceChildren(this.#listen.firstElementChild, element("span", {}, text("page.board.listen"), unseen(` ${text("page.board.listen_to", { name })}`)));
  }

  #score(key) {
    const name = element("dt", {});
    const value = element("dd", {});
    const bar = element("span", {});
    this.#scores.set(key, { name, value, bar });
    return element("div", {}, name, value, element("dd", { class: "score-bar", "aria-hidden": "true" }, bar));
  }

  #showScores(scores) {
    for (const [key, { name, value, bar }] of this.#scores) {
      const score = scores[key] ?? null;
      name.textContent = text(`page.score.${key}`);
      value.replaceChildren(score === null ? element("span", { "aria-label": text("page.score.not_yet"), role: "img" }, "–") : String(score));
      bar.style.setProperty("--value", (score ?? 0) / 100);
    }
  }

  #showWords({ lastWords, name, people }) {
    if (!lastWords) {
      this.#words.replaceChildren();
      return;
    }
    const who = lastWords.track === "trainee" ? name : people.find(({ track }) => track === lastWords.track)?.name ?? text(`page.voice.${lastWords.track.startsWith("coach") ? "coach" : lastWords.track}`);
    // Told only where it may be somebody else: the card is the trainee's.
    const said = lastWords.track === "trainee" ? "" : element("strong", {}, `${who}: `);
    this.#words.replaceChildren(element("span", {}, said, lastWords.text));
  }

  #showPeople(people) {
    if (!people.length) {
      this.#people.replaceChildren();
      return;
    }
    const said = people.map((person) => text(`page.presence.${wayOf(person)}_short`, { name: person.name }));
    this.#people.replaceChildren(icon("person"), element("span", { title: said.join(", ") }, said.join(", ")));
  }

  // An alert stands where the newest tip does otherwise, so that nothing moves.
  #showNow({ alerts, lastFeedback }) {
    if (alerts.length) {
      this.#now.replaceChildren(...alerts.map((alert) => element(
        "p", { class: "alert", "data-code": alert.code, title: alertName(alert) },
        icon("turn"), element("span", { "aria-hidden": "true" }, shortName(alert)), unseen(`${alertName(alert)}, `), element("time", {}))));
    } else if (lastFeedback) {
      const { icon: symbol, name } = kindOf(lastFeedback);
      this.#now.replaceChildren(element("p", { "data-kind": lastFeedback.kind }, icon(symbol), element("span", {}, unseen(`${name}: `), lastFeedback.message)));
    } else {
      this.#now.replaceChildren(element("p", { "data-kind": "none" }, element("span", {}, text("page.board.no_tip"))));
    }
  }
}
