// The first step: what a person agrees to before anything is heard.

import { byId } from "./element.js";
import { language } from "./texts.js";

/** Names the wording of the consent step; changes whenever the wording does, and with the language. */
export const textVersion = () => `practice-2026-11-23${language() === "en" ? "" : `-${language()}`}`;

export class Consent {
  #form = byId("consent-form");
  #given;

  /** `given(recording)` is called with the person's choice once coaching is agreed to. */
  constructor(given) {
    this.#given = given;
    for (const host of document.querySelectorAll("#host")) host.textContent = location.host;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#form.addEventListener("change", () => this.#clearErrors());
  }

  /** Whether there is a question of recording at all; without one the answer is no. */
  asks(isAboutRecording) {
    byId("recording-question").hidden = !isAboutRecording;
    if (!isAboutRecording) this.#form.elements.recording.value = "no";
  }

  #submit() {
    const { coaching, recording } = this.#form.elements;
    const missing = [
      [!coaching.checked, "coaching-error", coaching],
      [recording.value === "", "recording-error", recording[0]],
    ].filter(([isMissing]) => isMissing);
    for (const [, message, field] of missing) {
      byId(message).hidden = false;
      field.setAttribute("aria-invalid", "true");
    }
    if (missing.length) missing[0][2].focus();
    else this.#given(recording.value === "yes");
  }

  #clearErrors() {
    const { coaching, recording } = this.#form.elements;
    if (coaching.checked) {
      byId("coaching-error").hidden = true;
      coaching.removeAttribute("aria-invalid");
    }
    if (recording.value !== "") {
      byId("recording-error").hidden = true;
      recording[0].removeAttribute("aria-invalid");
    }
  }
}
