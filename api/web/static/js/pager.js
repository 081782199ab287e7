// Which part of a long list is shown, and the way to the next.

import { element } from "./element.js";
import { keepingFocus } from "./focus.js";
import { text } from "./texts.js";

/** Shows in `root` that `shown` rows from `offset` of `total` are seen; `go(offset)` is asked for others. */
export function showPager(root, { offset, limit, total, shown }, go) {
  const button = (id, key, to, can) =>
    element("button", { type: "button", id: `${root.id}-${id}`, "aria-disabled": can ? null : "true", onclick: can ? () => go(to) : null }, text(key));
  const range = total
    ? text("page.list.range", { from: offset + 1, to: offset + shown, total })
    : text("page.list.range_none");
  keepingFocus(() => root.replaceChildren(
    element("p", { role: "status" }, range),
    ...(total > limit || offset > 0
      ? [element("div", { class: "pager-buttons" },
          // Still there at either end, so that the focus is not lost on the way.
          button("before", "page.list.before", Math.max(0, offset - limit), offset > 0),
          button("next", "page.list.next", offset + limit, offset + shown < total))]
      : []),
  ));
}
