// A photo before and after, one over the other, with a slider that says how much of each is seen.

import { Dialog } from "./dialog.js";
import { element } from "./element.js";
import { text } from "./texts.js";

const MIDDLE = 50;

/** Opens the two pictures (addresses) under `title`. Resolves when it is closed. */
export function compare(title, before, after) {
  const slider = element("input", { type: "range", id: "divide", min: "0", max: "100", value: String(MIDDLE), autofocus: true });
  const shown = element("img", { src: after, class: "after", alt: text("page.photos.after"), draggable: "false" });
  const stage = element(
    "div", { class: "stage" },
    element("img", { src: before, alt: text("page.photos.before"), draggable: "false" }),
    shown,
    element("span", { class: "divide", "aria-hidden": "true" }),
    element("span", { class: "side", "aria-hidden": "true" }, text("page.photos.before")),
    element("span", { class: "side after-side", "aria-hidden": "true" }, text("page.photos.after")),
  );
  const show = () => {
    stage.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", text("page.photos.divided", { before: slider.value, after: String(100 - slider.value) }));
  };
  slider.addEventListener("input", show);
  shown.addEventListener("load", () => stage.style.setProperty("--ratio", String(shown.naturalWidth / shown.naturalHeight)));
  const point = ({ clientX }) => {
    const { left, width } = stage.getBoundingClientRect();
    slider.value = String(Math.round((100 * (clientX - left)) / width));
    show();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    point(event);
    event.preventDefault();
    slider.focus();
  });
  stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) point(event); });
  show();
  const dialog = new Dialog(title, element("div", { class: "before-after" }, stage, element("label", { for: "divide" }, text("page.photos.divide")), slider));
  return dialog.open();
}
