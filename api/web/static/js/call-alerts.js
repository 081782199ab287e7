// The alerts of the one call that is listened to, as the board has them.

import { announce } from "./announce.js";
import { get } from "./api.js";
import { alertName } from "./board-card.js";
import { byId, element, icon } from "./element.js";
import { clock } from "./moment.js";

const ASK_EVERY_MS = 3000;

export class CallAlerts {
  #root = byId("call-alerts");
  #now;
  #timer = 0;
  #alerts = [];
  #turn = 0;

  /** `now()`: the call's time in ms. */
  constructor(now) {
    this.#now = now;
  }

  start(sessionId) {
    this.stop();
    void this.#ask(sessionId, this.#turn);
  }

  stop() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#alerts = [];
    this.#show();
  }

  /** Shows how late it is. */
  tick() {
    this.#alerts.forEach(({ sinceMs }, at) => { this.#root.children[at].querySelector("time").textContent = clock(this.#now() - sinceMs); });
  }

  async #ask(sessionId, turn) {
    try {
      const { calls } = await get("/board");
      if (turn !== this.#turn) return;
      this.#take(calls.find(({ id }) => id === sessionId)?.alerts ?? []);
    } catch (problem) {
      console.info("The alerts of the call could not be asked for:", problem);
    }
    if (turn === this.#turn) this.#timer = setTimeout(() => void this.#ask(sessionId, turn), ASK_EVERY_MS);
  }

  #take(alerts) {
    const isNew = ({ code, sinceMs }) => !this.#alerts.some((known) => known.code === code && known.sinceMs === sinceMs);
    const news = alerts.filter(isNew);
    if (!news.length && alerts.length === this.#alerts.length) return;
    this.#alerts = alerts;
    this.#show();
    if (news.length) announce(news.map((alert) => `${alertName(alert)}.`).join(" "));
  }

  #show() {
    this.#root.hidden = this.#alerts.length === 0;
    this.#root.replaceChildren(...this.#alerts.map((alert) => element(
      "li", { "data-code": alert.code }, icon("turn"), element("span", {}, alertName(alert)), element("time", {}))));
    this.tick();
  }
}
