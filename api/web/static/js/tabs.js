// Tabs: one of several panels is shown; the arrow keys lead from tab to tab (ARIA Authoring Practices).

export class Tabs {
  #tabs;
  #chosen;

  /** `list` holds elements of role tab, each with aria-controls; `chosen(name)` is told which is shown. */
  constructor(list, chosen = () => {}) {
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    this.#chosen = chosen;
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.show(tab.dataset.tab));
    list.addEventListener("keydown", (event) => this.#move(event));
  }

  /** The name of the one that is shown. */
  get shown() {
    return this.#tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.dataset.tab;
  }

  show(name) {
    for (const tab of this.#tabs) {
      const isShown = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isShown;
    }
    this.#chosen(name);
  }

  #move(event) {
    const at = this.#tabs.indexOf(document.activeElement);
    const count = this.#tabs.length;
    const to = { ArrowRight: (at + 1) % count, ArrowLeft: (at - 1 + count) % count, Home: 0, End: count - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#tabs[to].focus();
    this.show(this.#tabs[to].dataset.tab);
  }
}
