// The four scores of a person's calls over time: a chart each, and the same as a table.

import { byId, element } from "./element.js";
import { nameOf } from "./kind.js";
import { day, shortly } from "./moment.js";
import { plotter } from "./plot.js";
import { recall, remember } from "./preferences.js";
import { Table } from "./table.js";
import { text } from "./texts.js";

export const SCORES = ["confidence", "clarity", "pace", "volume"];
const FEWEST = 2;
const NEWEST = 5;

export class Trend {
  #table = new Table(byId("trend-table"), () => ({
    caption: text("page.trend.title"),
    columns: [
      { head: text("page.calls.when"), isName: true, cell: ({ startTime }) => shortly(startTime) },
      { head: text("page.calls.kind"), cell: ({ sessionType }) => nameOf(sessionType) },
      ...SCORES.map((key) => ({ head: text(`page.score.${key}`), isNumber: true, cell: ({ scores }) => shown(scores[key]) })),
    ],
  }));
  #plots = [];
  #turn = 0;

  constructor() {
    // On a phone the list comes first, until somebody wants to see the trend.
    byId("trend").open = recall("shows-trend", !matchMedia("(max-width: 40rem)").matches);
    byId("trend-head").addEventListener("click", () => remember("shows-trend", !byId("trend").open));
  }

  /** Shows the calls `heads`, oldest first, of whom `whose` tells in the heading. */
  async show(heads, whose) {
    this.#turn += 1;
    const turn = this.#turn;
    this.hide();
    byId("trend").hidden = false;
    byId("trend-title").textContent = whose;
    byId("trend-lead").textContent = heads.length < FEWEST ? text("page.trend.too_few") : text("page.trend.lead", { count: heads.length });
    byId("trend-table-box").hidden = heads.length < FEWEST;
    if (heads.length < FEWEST) return;
    this.#table.show([...heads].reverse(), { empty: text("page.trend.too_few") });
    const tiles = SCORES.map((key) => tile(key, heads));
    byId("trend-tiles").replaceChildren(...tiles.map(({ root }) => root));
    const plot = await plotter();
    if (turn !== this.#turn) return;
    // Without the library the figures do.
    if (!plot) byId("trend-table-box").open = true;
    byId("trend").classList.toggle("unplotted", !plot);
    if (plot) this.#plots = tiles.map(({ draw }) => draw(plot));
  }

  hide() {
    for (const plot of this.#plots) plot.remove();
    this.#plots = [];
    byId("trend-tiles").replaceChildren();
    byId("trend").hidden = true;
  }
}

const shown = (score) => (score === null ? text("page.trend.none") : String(score));

/** One score: its newest value, its mean of late, and where its chart goes. */
function tile(key, heads) {
  const name = text(`page.score.${key}`);
  const known = heads.filter(({ scores }) => scores[key] !== null);
  const values = known.map(({ scores }) => scores[key]);
  const value = element("p", { class: "trend-value" });
  const when = element("p", { class: "trend-when" });
  const say = (call) => {
    value.replaceChildren(...(call ? [String(call.scores[key]), element("small", {}, ` ${text("page.score.of")}`)] : [text("page.score.too_little")]));
    when.textContent = call ? text("page.trend.on", { day: day(call.startTime) }) : "";
  };
  say(known.at(-1));
  const figure = element("div", { class: "trend-plot", role: "img", "aria-label": inWords(name, known, values) });
  const root = element(
    "section", { class: "trend-tile", "data-score-name": key },
    element("div", { class: "trend-head" }, element("h3", {}, name), element("div", { class: "trend-now" }, value, when)),
    figure,
    values.length ? element("p", { class: "trend-mean" }, mean(values)) : null,
  );
  const draw = (plot) => plot(figure, {
    times: heads.map(({ startTime }) => Date.parse(startTime) / 1000),
    values: heads.map(({ scores }) => scores[key]),
    label: text("page.trend.axis"),
    pointed: (index) => say(index === null || heads[index].scores[key] === null ? known.at(-1) : heads[index]),
  });
  return { root, draw };
}

function mean(values) {
  const of = (some) => some.reduce((sum, each) => sum + each, 0) / some.length;
  const late = of(values.slice(-NEWEST));
  if (values.length < 2 * NEWEST) return text("page.trend.mean", { mean: late });
  const change = Math.round(late) - Math.round(of(values.slice(-2 * NEWEST, -NEWEST)));
  const how = change > 0 ? "up" : change < 0 ? "down" : "same";
  return text(`page.trend.${how}`, { mean: late, change: Math.abs(change) });
}

function inWords(name, known, values) {
  if (!values.length) return text("page.trend.unknown", { score: name });
  return text("page.trend.words", {
    score: name, count: values.length, lowest: Math.min(...values), highest: Math.max(...values), newest: values.at(-1),
    from: day(known[0].startTime), to: day(known.at(-1).startTime),
  });
}
