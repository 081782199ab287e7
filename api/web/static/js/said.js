// The transcript of a finished call. With a recording every word plays from its moment.

import { byId, element, icon, unseen } from "./element.js";
import { clock } from "./moment.js";
import { text } from "./texts.js";

const UNSURE = 0.4;

export class Said {
  #root = byId("said");
  #words = [];
  #current = null;

  constructor() {
    this.#root.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Shows the utterances; `play(ms)` is called for a chosen moment, or is null without a recording. */
  show(utterances, play) {
    this.#words = [];
    this.#current = null;
    const spoken = utterances.filter(({ words, committed }) => words?.length || committed);
    if (!spoken.length) {
      this.#root.replaceChildren(element("p", { class: "empty" }, text("page.summary.no_words")));
      return;
    }
    this.#root.replaceChildren(...spoken.map((utterance) => this.#line(utterance, play)));
  }

  /** Marks the word that plays at `ms`. */
  mark(ms) {
    const playing = this.#words.findLast(({ startMs }) => startMs <= ms);
    if (playing?.button === this.#current) return;
    this.#current?.classList.remove("now");
    this.#current = playing && ms < playing.endMs + 400 ? playing.button : null;
    this.#current?.classList.add("now");
  }

  #line({ startMs, words, committed }, play) {
    const said = words?.length ? words.map(({ text }) => text).join(" ") : committed;
    if (!play || !words?.length) {
      return element("p", {}, element("span", { class: "at" }, clock(startMs)), element("span", {}, said));
    }
    const line = element("span", { role: "group", "aria-label": text("page.summary.line", { time: clock(startMs) }) });
    words.forEach((word, index) => {
      const button = element(
        "button",
        { type: "button", class: word.probability < UNSURE ? "word unsure" : "word", tabindex: index === 0 ? 0 : -1, onclick: () => play(word.startMs) },
        word.text,
      );
      this.#words.push({ ...word, button });
      line.append(button, " ");
    });
    const at = element("button", { type: "button", class: "at", onclick: () => play(startMs) }, icon("play"), unseen(`${text("page.summary.play_from")} `), clock(startMs));
    return element("p", {}, at, line);
  }

  // One tab stop for each line; the arrows go from word to word.
  #move(event) {
    const line = event.target.closest?.("[role=group]");
    if (!line || !event.target.classList.contains("word")) return;
    const words = [...line.querySelectorAll(".word")];
    const at = words.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: words.length - 1 }[event.key];
    const next = words[to];
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}
