// Fields of a form, each with its label and with what is wrong about it.

import { element } from "./element.js";

/** A labelled field; `control` needs an id. `hint` is read with it. */
export function field(label, control, hint = null) {
  const { id } = control;
  const said = hint === null ? null : element("p", { class: "hint", id: `${id}-hint` }, hint);
  control.setAttribute("aria-describedby", [said && `${id}-hint`, `${id}-error`].filter(Boolean).join(" "));
  return element("div", { class: "field" }, element("label", { for: id }, label), control, said, errorOf(id));
}

/** Boxes to tick under one question: `options` are [value, words, isChecked]. */
export function boxes(name, legend, options, hint = null) {
  return element(
    "fieldset", { class: "boxes", id: name, "aria-describedby": `${name}-error` },
    element("legend", {}, legend),
    hint === null ? null : element("p", { class: "hint" }, hint),
    element("div", { class: "boxes-list" }, ...options.map(([value, words, isChecked]) =>
      element("label", { class: "box" }, element("input", { type: "checkbox", name, value, checked: isChecked }), element("span", {}, words)))),
    errorOf(name),
  );
}

/** The values ticked in `boxes`. */
export function ticked(form, name) {
  return [...form.querySelectorAll(`input[name="${name}"]:checked`)].map(({ value }) => value);
}

/** A choice of `options` ([value, words]). */
export function choice(id, options, chosen) {
  const select = element("select", { id, name: id }, ...options.map(([value, words]) => element("option", { value, selected: value === chosen }, words)));
  return select;
}

/** Says at the fields what is wrong: `wrong` is a list of [control, words]. Whether nothing is. */
export function allRight(form, wrong) {
  for (const shown of form.querySelectorAll(".field-error")) shown.hidden = true;
  for (const marked of form.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  for (const [control, words] of wrong) {
    const error = form.querySelector(`#${CSS.escape(control.id)}-error`);
    error.textContent = words;
    error.hidden = false;
    if (control.tagName !== "FIELDSET") control.setAttribute("aria-invalid", "true");
  }
  if (wrong.length) (wrong[0][0].tagName === "FIELDSET" ? wrong[0][0].querySelector("input") : wrong[0][0])?.focus();
  return !wrong.length;
}

function errorOf(id) {
  return element("p", { class: "error field-error", id: `${id}-error`, hidden: true });
}
