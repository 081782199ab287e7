// How the photos of a vehicle are to look: one form for all of them.

import { element, icon } from "./element.js";
import { allRight, choice, field } from "./fields.js";
import { inWords } from "./form.js";
import { thumbnail } from "./preview.js";
import { send } from "./sending.js";
import { text } from "./texts.js";

/** What most dealerships want of a listing. */
export const USUAL = {
  jobType: "background_removal",
  quality: "medium",
  format: "jpeg",
  options: { background: "studio", shadow: true, margin: 0.05, aspect: "4:3" },
};

const JOBS = ["background_removal", "image_enhancement"];
const QUALITIES = ["low", "medium", "high"];
const FORMATS = ["jpeg", "webp", "png"];
const BACKGROUNDS = ["studio", "colour", "gradient", "image", "transparent"];
const MARGINS = [0, 0.05, 0.1, 0.2];
const ASPECTS = ["original", "4:3", "3:2", "16:9", "1:1"];
const CORNERS = ["top_left", "top_right", "bottom_left", "bottom_right"];
const SIDES = [1024, 1600, 2048, 3072];
const STEPS = ["whiteBalance", "exposure", "contrast", "sharpen", "denoise"];
const OFF_AT_FIRST = ["denoise"];
const COLOURS = { colour: "#ffffff", colourTo: "#c9ced6" };

const words = (group, values) => values.map((value) => [value, text(`page.look.${group}.${value}`)]);

export class LookForm {
  #pictures = {};
  #changed;

  /** `changed()` is told whenever the look becomes another one. */
  constructor(look, changed) {
    this.#changed = changed;
    const { options } = look;
    this.root = element(
      "form", { id: "look", class: "look", novalidate: true },
      field(text("page.look.job"), choice("look-job", words("jobs", JOBS), look.jobType)),
      field(text("page.look.background"), choice("look-background", words("backgrounds", BACKGROUNDS), options.background ?? "studio")),
      this.#colour("colour", options),
      this.#colour("colourTo", options),
      this.#picture("backgroundImage", options),
      ticks("steps", text("page.look.steps"), STEPS.map((step) => [step, text(`page.look.step.${step}`), options[step] ?? !OFF_AT_FIRST.includes(step)])),
      this.#picture("logo", options),
      field(text("page.look.corner"), choice("look-corner", words("corners", CORNERS), options.logoCorner ?? "bottom_right")),
      element(
        "details", { id: "look-details" },
        element("summary", {}, text("page.look.more")),
        element(
          "div", { class: "look-more" },
          field(text("page.look.quality"), choice("look-quality", words("qualities", QUALITIES), look.quality), text("page.look.quality_hint")),
          field(text("page.look.format"), choice("look-format", FORMATS.map((each) => [each, text(`page.look.format.${each}`)]), look.format)),
          field(text("page.look.side"), choice("look-side", [["", text("page.look.as_it_is")], ...SIDES.map((side) => [String(side), text("page.look.pixels", { side: String(side) })])], String(options.maxSide ?? ""))),
          ticks("floor", text("page.look.floor"), [["shadow", text("page.look.shadow"), options.shadow ?? true]]),
          field(text("page.look.margin"), choice("look-margin", MARGINS.map((share) => [String(share), text("page.look.margin_share", { percent: 100 * share })]), String(options.margin ?? 0.05))),
          field(text("page.look.aspect"), choice("look-aspect", ASPECTS.map((each) => [each, each === "original" ? text("page.look.as_it_is") : each]), options.aspect ?? "original")),
        ),
      ),
    );
    this.root.addEventListener("submit", (event) => event.preventDefault());
    this.root.addEventListener("change", () => {
      this.#arrange();
      this.#changed();
    });
    this.#arrange();
  }

  /** The look that is chosen, as the API takes it. */
  get value() {
    const of = (id) => this.root.querySelector(`#look-${id}`);
    const jobType = of("job").value;
    const isCut = jobType === "background_removal";
    const background = of("background").value;
    const coloured = isCut && ["colour", "gradient"].includes(background);
    const options = {
      ...(isCut ? { background, shadow: of("shadow").checked, margin: Number(of("margin").value), aspect: of("aspect").value } : {}),
      ...(coloured ? { colour: of("colour").value } : {}),
      ...(coloured && background === "gradient" ? { colourTo: of("colourTo").value } : {}),
      ...(isCut && background === "image" && this.#pictures.backgroundImage ? { backgroundImage: this.#pictures.backgroundImage } : {}),
      ...(isCut ? {} : Object.fromEntries(STEPS.map((step) => [step, of(step).checked]))),
      ...(of("side").value ? { maxSide: Number(of("side").value) } : {}),
      ...(this.#pictures.logo ? { logo: this.#pictures.logo, logoCorner: of("corner").value } : {}),
    };
    return { jobType, quality: of("quality").value, format: of("format").value, options };
  }

  /** Says at the fields what cannot be; whether nothing is. */
  check() {
    const { options, format } = this.value;
    const of = (id) => this.root.querySelector(`#look-${id}`);
    const wrong = [];
    if (options.background === "transparent" && format === "jpeg") {
      of("details").open = true;
      wrong.push([of("format"), text("page.look.no_transparent_jpeg")]);
    }
    if (options.background === "image" && !options.backgroundImage) wrong.push([of("backgroundImage"), text("page.look.no_picture")]);
    return allRight(this.root, wrong);
  }

  /** Shows the fields that the choices call for. */
  #arrange() {
    const jobType = this.root.querySelector("#look-job").value;
    const background = this.root.querySelector("#look-background").value;
    const isCut = jobType === "background_removal";
    const shown = {
      background: isCut, floor: isCut && background !== "transparent", margin: isCut, aspect: isCut, steps: !isCut,
      colour: isCut && ["colour", "gradient"].includes(background), colourTo: isCut && background === "gradient",
      backgroundImage: isCut && background === "image", corner: Boolean(this.#pictures.logo),
    };
    for (const [id, is] of Object.entries(shown)) {
      const control = this.root.querySelector(`#look-${id}`);
      (control.closest(".field") ?? control).hidden = !is;
    }
  }

  #colour(name, options) {
    const input = element("input", { type: "color", id: `look-${name}`, class: "colour", value: options[name] ?? COLOURS[name] });
    return field(text(`page.look.${name}`), input);
  }

  /** A picture of the person's own: chosen, uploaded and shown. */
  #picture(name, options) {
    this.#pictures[name] = options[name] ?? null;
    const button = element("button", { type: "button", class: "small", id: `look-${name}` });
    const remove = element("button", { type: "button", class: "small", id: `look-${name}-remove` }, text("page.look.remove_picture"));
    const input = element("input", { type: "file", id: `look-${name}-input`, accept: "image/png,image/jpeg,image/webp", hidden: true, "aria-hidden": "true", tabindex: "-1" });
    const shown = element("span", { class: "look-picture" });
    const row = field(text(`page.look.${name}`), button);
    const error = row.querySelector(".field-error");
    const show = () => {
      const id = this.#pictures[name];
      button.textContent = text(id ? "page.look.other_picture" : "page.look.choose_picture");
      button.setAttribute("aria-label", `${text(`page.look.${name}`)}: ${button.textContent}`);
      remove.hidden = !id;
      shown.replaceChildren(...(id ? [thumbnail(id, "", () => icon("turn"))] : []));
    };
    const set = (id) => {
      this.#pictures[name] = id;
      error.hidden = true;
      show();
      this.root.dispatchEvent(new Event("change"));
    };
    button.addEventListener("click", () => input.click());
    remove.addEventListener("click", () => { set(null); button.focus(); });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      input.value = "";
      if (!file) return;
      row.setAttribute("aria-busy", "true");
      try {
        set((await send(file)).id);
      } catch (problem) {
        error.textContent = inWords(problem);
        error.hidden = false;
      } finally {
        row.removeAttribute("aria-busy");
      }
    });
    const holder = element("span", { class: "look-picture-row" }, shown, remove, input);
    button.before(holder);
    shown.after(button);
    show();
    return row;
  }
}

/** Boxes to tick, each with an id of its own. */
function ticks(id, legend, options) {
  return element(
    "fieldset", { class: "boxes", id: `look-${id}` },
    element("legend", {}, legend),
    ...options.map(([name, said, isChecked]) => element("label", { class: "box" }, element("input", { type: "checkbox", id: `look-${name}`, checked: isChecked }), element("span", {}, said))),
  );
}
