// The question what somebody is to practise: a new assignment, of people or a team.

import { get, newKey, post } from "./api.js";
import { Dialog } from "./dialog.js";
import { element } from "./element.js";
import { allRight, boxes, choice, field, ticked } from "./fields.js";
import { nameOf as kindName } from "./kind.js";
import { nameOf } from "./me.js";
import { text } from "./texts.js";

const KINDS = ["pitch", "objection", "closing"];
const DUE_IN_DAYS = 7;
const PASS_MARK = 70;
const ATTEMPTS = [1, 50];
const MARKS = [0, 100];

/** The objections of the playbook that calls in `language` are held with, or else those in English: [{code, title}]. */
export async function objectionsOf(language) {
  const { items } = await get("/playbooks");
  const of = (wanted) => items.find((one) => one.language === wanted && one.status === "published");
  const used = of(language) ?? of("en");
  if (!used) return [];
  return (await get(`/playbooks/${encodeURIComponent(used.digest)}`, {}, { cache: "default" })).objections;
}

/** A day as a date field has it, `days` from now. */
export function dayAfter(days) {
  const date = new Date();
  date.setDate(date.getDate() + days);
  return asDay(date);
}

/** A Date -> "2026-11-30", here. */
export const asDay = (date) => [date.getFullYear(), String(date.getMonth() + 1).padStart(2, "0"), String(date.getDate()).padStart(2, "0")].join("-");

/** The end of a day ("2026-11-30") here, as an ISO time. */
export function endOf(value) {
  const [year, month, date] = value.split("-").map(Number);
  return new Date(year, month - 1, date, 23, 59, 59).toISOString();
}

/** A number field; `range` is [least, most]. */
export function numberField(id, value, [min, max], optional = false) {
  return element("input", { type: "number", id, name: id, class: "text-input", min, max, step: "1", inputmode: "numeric", value, required: !optional });
}

/** What is wrong with a number field, or []. */
export function wrongNumber(input, [least, most], optional = false) {
  const { value, valueAsNumber } = input;
  if (optional && value.trim() === "" && !input.validity.badInput) return [];
  const isRight = Number.isInteger(valueAsNumber) && valueAsNumber >= least && valueAsNumber <= most;
  return isRight ? [] : [[input, text("page.assignments.number", { least, most })]];
}

export const LIMITS = { attempts: ATTEMPTS, mark: MARKS };

/**
 * Asks; resolves with the assignments made, or null. `people` and `teams` may be chosen; `chosen`: the ids of whom to
 * begin with; `objections`: [{code, title}].
 */
export async function assign({ people, teams, chosen, objections }) {
  const whom = choice("assign-whom", [["", text("page.assignments.some_people")], ...teams.map(({ id, name }) => [id, text("page.assignments.team", { name })])], "");
  const who = boxes("assign-people", text("page.assignments.who"), people.map((user) => [user.id, nameOf(user), chosen.includes(user.id)]));
  const kind = choice("assign-kind", KINDS.map((each) => [each, kindName(each)]), "objection");
  const objection = choice("assign-objection", [["", text("page.assignments.any_objection")], ...objections.map(({ code, title }) => [code, title])], "");
  const title = element("input", { type: "text", id: "assign-title", name: "title", class: "text-input", maxlength: "200", autocomplete: "off" });
  const due = element("input", { type: "date", id: "assign-due", name: "due", class: "text-input", required: true, value: dayAfter(DUE_IN_DAYS), min: dayAfter(0) });
  const attempts = numberField("assign-attempts", "", ATTEMPTS, true);
  const mark = numberField("assign-mark", PASS_MARK, MARKS);
  const objectionField = field(text("page.assignments.objection"), objection, text("page.assignments.objection_hint"));
  const form = element(
    "form", { novalidate: true },
    field(text("page.assignments.whom"), whom),
    who,
    element("div", { class: "two-fields" }, field(text("page.assignments.kind"), kind), objectionField),
    field(text("page.assignments.name"), title, text("page.assignments.name_hint")),
    element("div", { class: "three-fields" },
      field(text("page.assignments.due"), due), field(text("page.assignments.pass_mark"), mark),
      field(text("page.assignments.attempts_allowed"), attempts, text("page.assignments.attempts_hint"))),
    element("div", { class: "actions" },
      element("button", { type: "submit", class: "primary" }, text("page.assignments.give")),
      element("button", { type: "button", onclick: () => dialog.close() }, text("page.dialog.cancel"))),
  );
  // A title that says what is chosen, until somebody writes another.
  let isOwn = false;
  const suggest = () => {
    const known = objections.find(({ code }) => code === objection.value);
    if (!isOwn) title.value = kind.value === "objection" && known ? text("page.assignments.suggested_objection", { objection: known.title }) : text(`page.assignments.suggested.${kind.value}`);
  };
  const shown = () => {
    who.hidden = whom.value !== "";
    objectionField.hidden = kind.value !== "objection" || !objections.length;
    suggest();
  };
  title.addEventListener("input", () => { isOwn = title.value.trim() !== ""; });
  for (const each of [whom, kind, objection]) each.addEventListener("change", shown);
  shown();

  const dialog = new Dialog(text("page.assignments.new"), form);
  let made = null;
  let [key, sent] = [newKey(), ""];
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const userIds = ticked(form, "assign-people");
    const wrong = [
      ...(whom.value === "" && !userIds.length ? [[who, text("page.assignments.who_missing")]] : []),
      ...(title.value.trim() ? [] : [[title, text("page.form.missing")]]),
      ...(due.value && due.value >= dayAfter(0) ? [] : [[due, text("page.assignments.due_missing")]]),
      ...wrongNumber(mark, MARKS),
      ...wrongNumber(attempts, ATTEMPTS, true),
    ];
    if (!allRight(form, wrong)) return;
    const body = {
      ...(whom.value === "" ? { userIds } : { teamId: whom.value }),
      title: title.value.trim(),
      sessionType: kind.value,
      ...(!objectionField.hidden && objection.value ? { objection: objection.value } : {}),
      dueAt: endOf(due.value),
      ...(attempts.value ? { attemptsAllowed: attempts.valueAsNumber } : {}),
      passMark: mark.valueAsNumber,
    };
    if (sent !== JSON.stringify(body)) [key, sent] = [newKey(), JSON.stringify(body)];
    const isDone = await dialog.run(async () => { made = (await post("/assignments", body, { key })).items; });
    if (isDone) dialog.close();
  });
  await dialog.open();
  return made;
}
