// The transcript of a call that is played: it follows, and each word leads to its moment. The lines are text; only in
// those that are seen are words things to choose, so that an hour of talk is as quick as a minute.

import { element } from "./element.js";
import { clock } from "./moment.js";
import { text } from "./texts.js";

const UNSURE = 0.4;
const LINGER_MS = 400;
const NEAR = "400px 0px";
const KEYS = ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"];

export class Reading {
  #root;
  #back;
  #seek = null;
  #lines = [];
  #words = [];
  #now = null;
  #nowLine = null;
  #follows = true;
  #seen = null;
  #active = null;

  /** `back`: the button that has it follow again. */
  constructor(root, back) {
    this.#root = root;
    this.#back = back;
    root.addEventListener("click", (event) => this.#chosen(event));
    root.addEventListener("keydown", (event) => this.#move(event));
    for (const name of ["wheel", "touchmove"]) root.addEventListener(name, () => this.#leave(), { passive: true });
    back.addEventListener("click", () => this.follow());
  }

  /** Shows `utterances` (record.js) in order; `seek(ms)` is told a chosen moment; `nameOf(track)` who said it. */
  show(utterances, nameOf, seek) {
    this.#seen?.disconnect();
    this.#seek = seek;
    this.#now = this.#nowLine = this.#active = null;
    const spoken = utterances.filter(({ words, committed }) => words?.length || committed);
    const isMany = new Set(spoken.map(({ track }) => track)).size > 1;
    this.#seen = new IntersectionObserver((entries) => this.#show(entries), { root: this.#root, rootMargin: NEAR });
    this.#lines = spoken.map((utterance, index) => this.#line(utterance, index, isMany ? nameOf(utterance.track) : null));
    this.#words = this.#lines.flatMap((line) => line.words.map((word, at) => ({ ...word, line, at })));
    this.#words.sort((a, b) => a.startMs - b.startMs);
    if (!spoken.length) this.#root.replaceChildren(element("p", { class: "empty" }, text("page.summary.no_words")));
    else this.#root.replaceChildren(...this.#lines.map(({ node }) => node));
    for (const { node } of this.#lines) this.#seen.observe(node);
    if (this.#lines.length) this.#activate(this.#lines[0], 0);
    this.follow();
  }

  /** Marks what is said at `ms`. */
  time(ms) {
    const word = this.#wordAt(ms);
    if (word === this.#now) return;
    this.#now?.line.buttons?.[this.#now.at]?.classList.remove("now");
    this.#now = word;
    const line = word?.line ?? null;
    if (line !== this.#nowLine) {
      this.#nowLine?.node.classList.remove("now");
      line?.node.classList.add("now");
      this.#nowLine = line ?? this.#nowLine;
      if (line && this.#follows) this.#scrollTo(line);
    }
    if (!word) return;
    this.#fill(line);
    line.buttons[word.at].classList.add("now");
    if (!this.#root.contains(document.activeElement)) this.#activate(line, word.at);
  }

  /** Goes along with what is played from now on. */
  follow() {
    this.#follows = true;
    this.#back.hidden = true;
    if (this.#nowLine) this.#scrollTo(this.#nowLine);
  }

  #leave() {
    if (this.#root.scrollHeight <= this.#root.clientHeight) return;
    this.#follows = false;
    this.#back.hidden = this.#lines.length === 0;
  }

  #wordAt(ms) {
    let [low, high] = [0, this.#words.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#words[middle].startMs <= ms) low = middle + 1;
      else high = middle;
    }
    const word = this.#words[low - 1];
    return word && ms < word.endMs + LINGER_MS ? word : null;
  }

  #line({ startMs, words, committed, track }, index, name) {
    const said = element("p", {}, words?.length ? words.map((word) => word.text).join(" ") : committed);
    const at = element("button", { type: "button", class: "at", tabindex: -1, "data-at": startMs, "aria-label": text("page.replay.from_moment", { time: clock(startMs) }) }, clock(startMs));
    const node = element("div", { class: "line", "data-line": index, "data-track": track }, at, element("div", {}, name ? element("span", { class: "speaker" }, name) : null, said));
    return { node, said, startMs, words: words ?? [], buttons: null, index };
  }

  #show(entries) {
    for (const { target, isIntersecting } of entries) {
      const line = this.#lines[Number(target.dataset.line)];
      if (!line || line.node !== target) continue;
      if (isIntersecting) this.#fill(line);
      else if (line !== this.#nowLine && line !== this.#active?.line && !target.contains(document.activeElement)) this.#empty(line);
    }
  }

  #fill(line) {
    if (line.buttons || !line.words.length) return;
    line.buttons = line.words.map((word, at) => element(
      "button", { type: "button", class: word.probability < UNSURE ? "word unsure" : "word", tabindex: -1, "data-at": word.startMs, "data-word": at }, word.text));
    line.said.replaceChildren(...line.buttons.flatMap((button) => [button, " "]));
    if (this.#now?.line === line) line.buttons[this.#now.at].classList.add("now");
  }

  #empty(line) {
    if (!line.buttons) return;
    line.buttons = null;
    line.said.textContent = line.words.map((word) => word.text).join(" ");
  }

  #activate(line, at) {
    this.#fill(line);
    const button = line.buttons?.[at] ?? line.node.querySelector(".at");
    if (this.#active) this.#active.button.tabIndex = -1;
    button.tabIndex = 0;
    this.#active = { line, at, button };
    return button;
  }

  #chosen({ target }) {
    const button = target.closest?.("[data-at]");
    if (!button) return;
    const line = this.#lines[Number(button.closest(".line").dataset.line)];
    this.#activate(line, Number(button.dataset.word ?? 0));
    this.#seek(Number(button.dataset.at));
    this.follow();
  }

  // One tab stop for the whole: the arrows lead from word to word and from line to line.
  #move(event) {
    if (!KEYS.includes(event.key) || !this.#active || !event.target.closest(".line")) return;
    const { line, at } = this.#active;
    const sideways = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    let [toLine, to] = [line.index, at];
    if (sideways) to += sideways;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = line.words.length - 1;
    else [toLine, to] = [line.index + (event.key === "ArrowDown" ? 1 : -1), 0];
    if (to >= this.#lines[line.index].words.length && sideways) [toLine, to] = [toLine + 1, 0];
    const next = this.#lines[toLine + (to < 0 ? -1 : 0)];
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    this.#leave();
    this.#activate(next, to < 0 ? Math.max(0, next.words.length - 1) : to).focus();
  }

  #scrollTo({ node }) {
    const top = node.offsetTop - this.#root.offsetTop - this.#root.clientHeight * 0.3;
    this.#root.scrollTo({ top, behavior: "auto" });
  }
}
