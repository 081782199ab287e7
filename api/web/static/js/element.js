// Builds DOM nodes. Text only ever becomes a text node, so nothing a server says can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id; throws when the page lacks it. */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`practice.html has no element #${id}`);
  return found;
}

/**
 * A new element. `attributes` are set as attributes (false and null leave one out), `class` and `data-…`
 * included; functions become listeners (`onclick`). Children are nodes or text; null is skipped.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An icon of the page's sprite, hidden from assistive technology. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  setIcon(svg, name);
  return svg;
}

/** Shows another icon of the sprite in `svg`. */
export function setIcon(svg, name) {
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.replaceChildren(use);
}

/** Text that is read out but not seen. */
export function unseen(text) {
  return element("span", { class: "unseen" }, text);
}
