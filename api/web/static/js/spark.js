// A line of few numbers, small enough for a row of a table.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, EDGE] = [96, 28, 3];

const made = (tag, attributes) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
};

/** `values` from 0 to 100, oldest first; at least one. `words` say the same to those who do not see it. */
export function spark(values, words) {
  const span = Math.max(20, Math.max(...values) - Math.min(...values));
  const middle = (Math.max(...values) + Math.min(...values)) / 2;
  const across = (at) => (values.length === 1 ? WIDTH - EDGE : EDGE + (at * (WIDTH - 2 * EDGE)) / (values.length - 1));
  const down = (value) => HEIGHT / 2 - ((value - middle) / span) * (HEIGHT - 2 * EDGE);
  const points = values.map((value, at) => `${across(at).toFixed(1)},${down(value).toFixed(1)}`);
  const svg = made("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words });
  svg.append(
    made("polyline", { points: points.join(" ") }),
    made("circle", { cx: across(values.length - 1).toFixed(1), cy: down(values.at(-1)).toFixed(1), r: 2.6 }),
  );
  return svg;
}
