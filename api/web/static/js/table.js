// A table of the node's things: sortable by its heads where there is room, a list of cards on a phone.

import { element } from "./element.js";
import { keepingFocus } from "./focus.js";
import { text } from "./texts.js";

export class Table {
  #root;
  #describe;
  #sorted;

  /**
   * `describe()` tells the caption and the columns in the page's language: {caption, columns: [{head, cell(row), sort,
   * isName, isWide, isNumber}], name}. `sort` names the field to sort by; `sorted(order)` is told "field" or "-field".
   */
  constructor(root, describe, sorted = null) {
    this.#root = root;
    this.#describe = describe;
    this.#sorted = sorted;
  }

  /** Shows `rows`; `order` is how they are sorted, `empty` what is said where there are none. */
  show(rows, { order = "", empty }) {
    const { caption, columns, name = "" } = this.#describe();
    keepingFocus(() => {
      if (!rows.length) {
        this.#root.replaceChildren(element("p", { class: "empty-state" }, empty));
        return;
      }
      this.#root.replaceChildren(
        // Roles are said: shown as blocks on a phone, elements of a table lose those they have.
        element(
          "table", { role: "table", class: `table ${name}` },
          element("caption", { class: "unseen" }, caption),
          element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...columns.map((column) => this.#head(column, order)))),
          element("tbody", { role: "rowgroup" }, ...rows.map((row) => element("tr", { role: "row" }, ...columns.map((column) => cell(column, row))))),
        ),
      );
    });
  }

  #head({ head, sort, isNumber }, order) {
    const attributes = { role: "columnheader", scope: "col", class: isNumber ? "number" : null };
    if (!sort || !this.#sorted) return element("th", attributes, head);
    const isUp = order === sort;
    const isDown = order === `-${sort}`;
    const next = isDown ? sort : `-${sort}`;
    return element(
      "th", { ...attributes, "aria-sort": isUp ? "ascending" : isDown ? "descending" : "none" },
      element("button", { type: "button", class: "sort", id: `sort-${sort.replace(".", "-")}`, onclick: () => this.#sorted(next) }, head, element("span", { class: "arrow", "aria-hidden": "true" }, isUp ? "↑" : isDown ? "↓" : "")),
      element("span", { class: "unsorted" }, head),
    );
  }
}

function cell({ head, cell: made, isName, isWide, isNumber }, row) {
  const shown = made(row);
  const names = [isName && "name", isWide && "wide", isNumber && "number"].filter(Boolean).join(" ");
  const attributes = { class: names || null, "data-head": isName || isWide ? null : head };
  return isName
    ? element("th", { role: "rowheader", scope: "row", ...attributes }, ...[shown].flat())
    : element("td", { role: "cell", ...attributes }, ...[shown].flat());
}

/** Something a state is told by, in words and colour. */
export function badge(tone, words) {
  return element("span", { class: "badge", "data-tone": tone }, words);
}

/** What stands where there is nothing to show. */
export function nothing() {
  return element("span", { class: "none" }, element("span", { "aria-hidden": "true" }, "–"), element("span", { class: "unseen" }, text("page.list.none")));
}
