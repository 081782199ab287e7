// A text written by lines: a plain <textarea> with its line numbers, and marks at the lines that have faults.

import { byId, element } from "./element.js";

const ABOVE = 4;

export class SourceField {
  #area = byId("source");
  #gutter = byId("source-lines");
  #marks = new Set();
  #count = 0;

  /** `changed()` is told of every change by the person. */
  constructor(changed) {
    this.#area.addEventListener("input", () => { this.#number(); changed(); });
    this.#area.addEventListener("scroll", () => this.#follow(), { passive: true });
    this.#area.addEventListener("keydown", (event) => this.#indent(event));
  }

  get value() { return this.#area.value; }

  set value(words) {
    this.#area.value = words;
    this.#area.scrollTop = 0;
    this.#area.scrollLeft = 0;
    this.#area.setSelectionRange(0, 0);
    this.mark([]);
  }

  set isFixed(isFixed) { this.#area.readOnly = isFixed; }

  /** Marks the lines (from 1) that have faults. */
  mark(lines) {
    this.#marks = new Set(lines);
    this.#count = 0;
    this.#number();
    if (lines.length) this.#area.setAttribute("aria-invalid", "true");
    else this.#area.removeAttribute("aria-invalid");
  }

  /** Shows `line` (from 1) and selects it. */
  go(line) {
    const lines = this.value.split("\n");
    const at = Math.min(Math.max(line, 1), lines.length);
    const start = lines.slice(0, at - 1).reduce((sum, each) => sum + each.length + 1, 0);
    this.#area.focus();
    this.#area.setSelectionRange(start, start + lines[at - 1].length);
    this.#area.scrollTop = Math.max(0, at - ABOVE) * this.#lineHeight();
    this.#area.scrollLeft = 0;
  }

  // Only what is marked needs an element of its own; the numbers between are one text.
  #number() {
    const count = this.value.split("\n").length;
    if (count === this.#count) return;
    this.#count = count;
    const parts = [];
    let run = "";
    for (let line = 1; line <= count; line += 1) {
      if (!this.#marks.has(line)) { run += `${line}\n`; continue; }
      parts.push(run, element("span", { class: "fault-line" }, String(line)), "\n");
      run = "";
    }
    this.#gutter.replaceChildren(...parts, run);
    this.#follow();
  }

  #follow() {
    this.#gutter.style.setProperty("transform", `translateY(${-this.#area.scrollTop}px)`);
  }

  #lineHeight() {
    return Number.parseFloat(getComputedStyle(this.#area).lineHeight);
  }

  // A new line begins where the one before did. Tab still leaves the field.
  #indent(event) {
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.isComposing || this.#area.readOnly) return;
    const before = this.value.slice(0, this.#area.selectionStart);
    const [indent] = /^ *(?:- )?/.exec(before.slice(before.lastIndexOf("\n") + 1));
    if (!indent.length) return;
    event.preventDefault();
    // Undone by Ctrl+Z, which setting the value is not.
    document.execCommand("insertText", false, `\n${indent.replace("- ", "  ")}`);
  }
}
