// One assignment, looked at and changed: its attempts, its due date, its end.

import { get, put } from "./api.js";
import { asDay, endOf, LIMITS, numberField, wrongNumber } from "./assign.js";
import { attemptList, attemptsOf, dueOn, scoreBar, stateOf, taskOf } from "./assignment.js";
import { confirmed, Dialog } from "./dialog.js";
import { element } from "./element.js";
import { allRight, field } from "./fields.js";
import { shortly } from "./moment.js";
import { text } from "./texts.js";

/** What failed may be opened anew: by more attempts, or a lower mark. */
const CHANGEABLE = new Set(["open", "failed"]);

const fact = (key, ...content) => element("div", {}, element("dt", {}, text(key)), element("dd", {}, ...content));

/** Shows assignment `id`; `mayChange` offers to. Resolves with whether something was changed. */
export async function look(id, { objections, mayChange }) {
  let known = await get(`/assignments/${id}`);
  let isChanged = false;
  const dialog = new Dialog(known.title);
  const change = async (values) => {
    const { dueAt, attemptsAllowed, passMark } = known;
    try {
      known = await put(`/assignments/${id}`, { dueAt, attemptsAllowed, passMark, ...values }, { version: known.version });
      isChanged = true;
    } catch (problem) {
      if (problem.status === 412) known = await get(`/assignments/${id}`);
      throw problem;
    } finally {
      show();
    }
  };
  const show = () => {
    const isOpen = CHANGEABLE.has(known.status);
    dialog.replace(
      element("dl", { class: "facts" },
        fact("page.assignments.for", known.name),
        fact("page.assignments.task", taskOf(known, objections)),
        fact("page.assignments.due", dueOn(known.dueAt)),
        fact("page.assignments.state", stateOf(known)),
        fact("page.assignments.attempts", attemptsOf(known)),
        fact("page.assignments.best", scoreBar(known))),
      element("section", { class: "dialog-part" }, element("h3", {}, text("page.assignments.attempts")), attemptList(known, shortly)),
      ...(mayChange && isOpen ? [changes(known, dialog, change)] : []),
    );
  };
  show();
  await dialog.open();
  return isChanged;
}

function changes(known, dialog, change) {
  const due = element("input", { type: "date", id: "change-due", name: "due", class: "text-input", required: true, value: asDay(new Date(known.dueAt)) });
  const mark = numberField("change-mark", known.passMark, LIMITS.mark);
  const attempts = numberField("change-attempts", known.attemptsAllowed ?? "", LIMITS.attempts, true);
  const cancel = async () => {
    await confirmed({
      title: text("page.assignments.cancel_title"), says: text("page.assignments.cancel_what", { name: known.name }), action: text("page.assignments.cancel"),
      run: () => change({ status: "cancelled" }),
    });
  };
  const form = element(
    "form", { novalidate: true },
    element("div", { class: "three-fields" },
      field(text("page.assignments.due"), due), field(text("page.assignments.pass_mark"), mark),
      field(text("page.assignments.attempts_allowed"), attempts)),
    element("div", { class: "actions" },
      element("button", { type: "submit", class: "primary" }, text("page.dialog.save")),
      element("button", { type: "button", class: "danger", onclick: () => void cancel() }, text("page.assignments.cancel"))),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wrong = [
      ...(due.value ? [] : [[due, text("page.assignments.due_missing")]]),
      ...wrongNumber(mark, LIMITS.mark), ...wrongNumber(attempts, LIMITS.attempts, true),
    ];
    if (!allRight(form, wrong)) return;
    const isDone = await dialog.run(() => change({ dueAt: due.value === asDay(new Date(known.dueAt)) ? known.dueAt : endOf(due.value), passMark: mark.valueAsNumber, attemptsAllowed: attempts.value ? attempts.valueAsNumber : null }));
    if (isDone) dialog.say(text("page.assignments.changed"));
  });
  return element("section", { class: "dialog-part" }, element("h3", {}, text("page.assignments.change")), form);
}
