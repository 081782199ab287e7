// The difference of two versions as a table: a sign, its words for screen readers, the lines of both.

import { element, unseen } from "./element.js";
import { counted, diff, hunks } from "./line-diff.js";
import { text } from "./texts.js";

const SIGNS = { same: " ", removed: "−", added: "+" };

/** Shows in `root` what of `after` differs from `before`; `against` says what that is. */
export function showChanges(root, { before, after, against }) {
  const lines = diff(before, after);
  const { added, removed } = counted(lines);
  const told = added + removed ? text("page.versions.changes.count", { against, added, removed }) : text("page.versions.changes.none", { against });
  root.replaceChildren(
    element("p", { class: "legend", role: "status" }, told),
    ...(added + removed ? [table(hunks(lines), against)] : []),
  );
}

function table(parts, against) {
  const head = (key) => element("th", { scope: "col" }, unseen(text(key)));
  return element(
    "div", { class: "diff-box", tabindex: "0", role: "region", "aria-label": text("page.versions.changes.label", { against }) },
    element(
      "table", { class: "diff" },
      element("caption", { class: "unseen" }, text("page.versions.changes.label", { against })),
      element("thead", {}, element("tr", {}, head("page.versions.changes.before"), head("page.versions.changes.after"), head("page.versions.changes.what"), head("page.versions.changes.line"))),
      ...parts.map(({ skipped, lines }) => element("tbody", {}, skipped ? gap(skipped) : null, ...lines.map(row))),
    ),
  );
}

const gap = (skipped) => element("tr", { class: "diff-gap" }, element("td", { colspan: "4" }, text("page.versions.changes.skipped", { count: skipped })));

function row({ kind, before, after, line }) {
  const number = (value) => element("td", { class: "diff-number" }, value === null ? "" : String(value));
  return element(
    "tr", { "data-kind": kind },
    number(before), number(after),
    element("td", { class: "diff-sign" }, element("span", { "aria-hidden": "true" }, SIGNS[kind]), kind === "same" ? null : unseen(text(`page.versions.changes.${kind}`))),
    element("td", { class: "diff-line" }, line),
  );
}
