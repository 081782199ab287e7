// Line charts by uPlot (MIT), which is fetched when it is needed; a page without it says its figures in other ways.

import { element } from "./element.js";
import { locale } from "./texts.js";

const HEIGHT_PX = 150;
const TOP = 100;
const DAY_S = 86_400;
let fetched = null;

/** Resolves with what draws a chart, or with null where the library cannot be had. */
export function plotter() {
  fetched ??= fetchLibrary();
  return fetched;
}

async function fetchLibrary() {
  try {
    const { default: UPlot } = await import("../vendor/uplot/uPlot.esm.js");
    document.head.append(element("link", { rel: "stylesheet", href: new URL("../vendor/uplot/uPlot.min.css", import.meta.url).href }));
    return (root, what) => draw(UPlot, root, what);
  } catch (error) {
    console.warn("Charts are not drawn:", error);
    return null;
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * A chart of `values` (0 to 100 or null) at `times` (s since 1970, ascending) in `root`, as wide as that is. `label`:
 * what the upright axis counts. `pointed(index)` is told which value is pointed at, null for none.
 */
function draw(UPlot, root, { times, values, label, pointed }) {
  const [first, last] = [times[0], times.at(-1)];
  const aside = Math.max((last - first) * 0.04, DAY_S / 4);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: () => colour("--ink-soft"), font, labelFont: font, ticks: { show: false } };
  const date = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short" });
  const plot = new UPlot(
    {
      width: Math.max(120, root.clientWidth),
      height: HEIGHT_PX,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      select: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, sync: { key: "trend" }, points: { size: 9 } },
      scales: { x: { time: true, range: [first - aside, last + aside] }, y: { range: [0, TOP] } },
      axes: [
        { ...axis, size: 30, gap: 8, space: 50, grid: { show: false }, incrs: [1, 2, 7, 14, 28, 56, 91, 182, 364].map((days) => days * DAY_S), values: (_, ticks) => ticks.map((tick) => date.format(tick * 1000)) },
        { ...axis, label, labelSize: 18, labelGap: 0, size: 30, gap: 4, grid: { stroke: () => colour("--line"), width: 1 }, splits: () => [0, 50, TOP] },
      ],
      series: [
        {},
        { stroke: () => colour("--accent"), width: 2, spanGaps: true, points: { show: true, size: 6, fill: () => colour("--surface"), stroke: () => colour("--accent") } },
      ],
      hooks: { setCursor: [({ cursor }) => pointed(cursor.idx ?? null)] },
    },
    [times, values],
    root,
  );
  const sized = new ResizeObserver(() => {
    if (root.clientWidth > 0) plot.setSize({ width: root.clientWidth, height: HEIGHT_PX });
  });
  sized.observe(root);
  // A canvas keeps the colours it was painted in.
  const theme = new MutationObserver(() => plot.redraw(false, true));
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return {
    remove() {
      sized.disconnect();
      theme.disconnect();
      plot.destroy();
    },
  };
}
