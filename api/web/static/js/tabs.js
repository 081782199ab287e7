// Tabs, as the ARIA Authoring Practices describe them: arrows move, what is moved to is shown.

/** `list` holds buttons with aria-controls; `shown(id)` is told of the panel that comes to be seen. */
export class Tabs {
  #tabs;
  #shown;

  constructor(list, shown = () => {}) {
    this.#tabs = [...list.querySelectorAll("[role=tab]")];
    this.#shown = shown;
    for (const tab of this.#tabs) {
      tab.addEventListener("click", () => this.show(tab.getAttribute("aria-controls")));
      tab.addEventListener("keydown", (event) => this.#key(event));
    }
  }

  /** The id of the panel that is seen. */
  get panel() {
    return this.#tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.getAttribute("aria-controls");
  }

  show(panelId) {
    for (const tab of this.#tabs) {
      const isShown = tab.getAttribute("aria-controls") === panelId;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isShown;
    }
    this.#shown(panelId);
  }

  #key(event) {
    const at = this.#tabs.indexOf(event.currentTarget);
    const count = this.#tabs.length;
    const to = { ArrowRight: (at + 1) % count, ArrowLeft: (at + count - 1) % count, Home: 0, End: count - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#tabs[to].focus();
    this.show(this.#tabs[to].getAttribute("aria-controls"));
  }
}
