// A button that shows and hides what belongs to it, such as a menu in the header.

/**
 * Ties `button` to `panel`, which lies over the page: it closes on Escape, a click elsewhere, and when the focus
 * leaves it. `button` says by aria-expanded how it is.
 */
export class Disclosure {
  #button;
  #panel;

  constructor(button, panel) {
    this.#button = button;
    this.#panel = panel;
    button.setAttribute("aria-controls", panel.id);
    this.#show(false);
    button.addEventListener("click", () => this.#show(!this.isOpen));
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("pointerdown", ({ target }) => { if (!this.#holds(target)) this.close(); });
    panel.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !this.#holds(relatedTarget)) this.close(); });
  }

  get isOpen() {
    return this.#button.getAttribute("aria-expanded") === "true";
  }

  close() {
    if (this.isOpen) this.#show(false);
  }

  #key(event) {
    if (event.key !== "Escape" || !this.isOpen) return;
    this.close();
    this.#button.focus();
  }

  #holds(node) {
    return this.#panel.contains(node) || this.#button.contains(node);
  }

  #show(isOpen) {
    this.#button.setAttribute("aria-expanded", String(isOpen));
    this.#panel.dataset.open = String(isOpen);
  }
}
