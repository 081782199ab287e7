// What is known of a vehicle, to enter and to correct.

import { newKey, post, put } from "./api.js";
import { Dialog, inWords } from "./dialog.js";
import { element } from "./element.js";
import { allRight, choice, field } from "./fields.js";
import { text } from "./texts.js";
import { bareVin, wrongOf } from "./vin.js";

/** [name, kind]: words, whole numbers, dollars (kept in cents), percent (kept in hundredths of one), days. */
const FACTS = [
  ["vin", "words"], ["year", "whole"], ["make", "words"], ["model", "words"], ["trim", "words"], ["mileage", "whole"], ["price", "dollars"],
  ["stockNumber", "words"], ["exterior", "words"], ["interior", "words"], ["body", "words"], ["engine", "words"], ["transmission", "words"],
  ["drivetrain", "words"], ["fuel", "words"], ["mpgCity", "whole"], ["mpgHighway", "whole"],
];
const OFFER = [["monthly", "dollars"], ["termMonths", "whole"], ["apr", "percent"], ["down", "dollars"], ["dueAtSigning", "dollars"], ["annualMiles", "whole"], ["lender", "words"], ["expiresOn", "day"]];
const NEEDED = ["vin", "year", "make", "model"];
const KEPT_AS = { dollars: "Cents", percent: "Bp" };
const NUMBER = /^\d{1,9}(?:\.\d{1,2})?$/;

const keyOf = (name, kind) => `${name}${KEPT_AS[kind] ?? ""}`;
const idOf = (group, name) => `${group}-${name}`;

/** Shows the form for `vehicle` (null: a new one); whether it was saved. */
export async function askFacts(vehicle) {
  const facts = vehicle?.facts ?? { condition: "used", features: [], description: "" };
  const offer = facts.finance ?? { kind: "loan" };
  const row = (group, from) => ([name, kind]) => {
    const kept = from[keyOf(name, kind)];
    const value = kept === null || kept === undefined ? "" : ["dollars", "percent"].includes(kind) ? String(kept / 100) : String(kept);
    const attributes = kind === "day" ? { type: "date" } : { type: "text", inputmode: kind === "words" ? null : kind === "whole" ? "numeric" : "decimal", maxlength: "80" };
    return field(text(`page.vehicles.fields.${name}`), element("input", { id: idOf(group, name), class: "text-input", autocomplete: "off", value, ...attributes }));
  };
  const features = element("textarea", { id: "fact-features", class: "text-input", rows: "4" });
  features.value = facts.features.join("\n");
  const description = element("textarea", { id: "fact-description", class: "text-input", rows: "3", maxlength: "5000" });
  description.value = facts.description;
  const named = (kind, values) => values.map((value) => [value, text(`page.vehicles.${kind}.${value}`)]);
  const problem = element("p", { class: "form-problem", role: "alert" });
  const form = element("form", { class: "facts-form", novalidate: true, id: "facts" },
    ...FACTS.map(row("fact", facts)),
    field(text("page.vehicles.fields.condition"), choice("fact-condition", named("conditions", ["new", "used", "certified"]), facts.condition)),
    element("div", { class: "wide" }, field(text("page.vehicles.fields.features"), features, text("page.vehicles.features_hint"))),
    element("div", { class: "wide" }, field(text("page.vehicles.fields.description"), description, text("page.vehicles.description_hint"))),
    element("fieldset", {}, element("legend", {}, text("page.vehicles.offer")),
      field(text("page.vehicles.fields.kind"), choice("offer-kind", named("offers", ["loan", "lease"]), offer.kind)),
      ...OFFER.map(row("offer", offer)),
      field(text("page.vehicles.fields.deposit"), choice("offer-deposit", [["", text("page.vehicles.not_known")], ["true", text("page.vehicles.yes")], ["false", text("page.vehicles.no")]], String(offer.depositRequired ?? "")))),
    ...(vehicle?.contradictions ?? []).map(({ message }) => element("p", { class: "error wide" }, message)),
    problem,
    element("div", { class: "actions wide" }, element("button", { type: "submit", class: "primary" }, text("page.vehicles.save")), element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))));
  const dialog = new Dialog(text(vehicle ? "page.vehicles.edit" : "page.vehicles.new"), form);
  const key = newKey();
  let isSaved = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = "";
    const wrong = [];
    const made = taken(form, "fact", FACTS, wrong);
    const terms = taken(form, "offer", OFFER, wrong);
    made.vin = bareVin(made.vin);
    const bad = made.vin && wrongOf(made.vin);
    if (bad) wrong.push([form.querySelector("#fact-vin"), text(`page.photos.vin_wrong.${bad}`, { count: made.vin.length })]);
    for (const name of NEEDED) if (made[name] === "" || made[name] === null) wrong.push([form.querySelector(`#fact-${name}`), text("page.form.missing")]);
    if (!allRight(form, wrong)) return;
    const deposit = form.querySelector("#offer-deposit").value;
    const hasOffer = Object.values(terms).some((value) => value !== null && value !== "");
    const body = {
      facts: {
        ...made,
        condition: form.querySelector("#fact-condition").value,
        features: [...new Set(features.value.split("\n").map((line) => line.trim()).filter(Boolean))],
        description: description.value,
        finance: hasOffer ? { ...terms, kind: form.querySelector("#offer-kind").value, depositRequired: deposit === "" ? null : deposit === "true" } : null,
      },
      images: vehicle?.areChosen ? vehicle.images.map(({ id }) => id) : [],
    };
    try {
      await (vehicle ? put(`/vehicles/${vehicle.id}`, body, { version: vehicle.version }) : post("/vehicles", body, { key }));
      isSaved = true;
      dialog.close();
    } catch (refused) {
      if (refused.status === undefined) throw refused;
      tell(form, problem, refused);
    }
  });
  await dialog.open();
  return isSaved;
}

/** The values of fields by the names the node has for them; what is no number is added to `wrong`. */
function taken(form, group, fields, wrong) {
  return Object.fromEntries(fields.map(([name, kind]) => {
    const control = form.querySelector(`#${idOf(group, name)}`);
    const value = control.value.trim();
    if (kind === "words") return [name, value];
    if (kind === "day") return [name, value || null];
    const bare = value.replace(/[$,%\s]/g, "");
    if (bare === "") return [keyOf(name, kind), null];
    if (!NUMBER.test(bare) || (kind === "whole" && bare.includes("."))) {
      wrong.push([control, text("page.vehicles.no_number")]);
      return [keyOf(name, kind), null];
    }
    return [keyOf(name, kind), kind === "whole" ? Number(bare) : Math.round(Number(bare) * 100)];
  }));
}

/** Says at its field what the node refused, or below all of them. */
function tell(form, problem, refused) {
  const controls = [...FACTS.map(([name, kind]) => [`facts.${keyOf(name, kind)}`, idOf("fact", name)]), ...OFFER.map(([name, kind]) => [`facts.finance.${keyOf(name, kind)}`, idOf("offer", name)]), ["facts.features", "fact-features"]];
  const at = controls.flatMap(([place, id]) => (refused.errors ?? []).filter((error) => error.field === place || error.field.startsWith(`${place}.`)).map(({ message }) => [form.querySelector(`#${id}`), message]));
  if (at.length) allRight(form, at);
  else problem.textContent = inWords(refused);
}
