// The live board: every call that goes on, as it happens.

import { announce } from "./announce.js";
import { stream } from "./api.js";
import { alertName, BoardCard } from "./board-card.js";
import { matching, sorted } from "./board-order.js";
import { Directory } from "./directory.js";
import { byId, element } from "./element.js";
import { Filters } from "./filters.js";
import { dismiss, notify } from "./notices.js";
import { start } from "./start.js";
import { locale, text } from "./texts.js";

const TICK_MS = 1000;
/** To connect again is quick as a rule; what takes longer is told. */
const BROKEN_AFTER_MS = 2000;
const TOGETHER_MS = 700;
const SETTLED_MS = 300;
const MOST_NAMED = 3;

class Board {
  #directory;
  #filters;
  #cards = new Map();
  #list = byId("board");
  #isKnown = false;
  #told = new Set();
  #toTell = [];
  #timers = { broken: 0, telling: 0, arranging: 0 };

  constructor(directory) {
    this.#directory = directory;
    this.#filters = new Filters(() => this.#filtered());
    this.offer();
    this.#filters.recall();
    // While one types, not only when one is done.
    byId("filter-name").addEventListener("input", ({ target }) => target.dispatchEvent(new Event("change", { bubbles: true })));
    byId("board-sort").addEventListener("click", () => {
      this.#arrange({ isAsked: true });
      byId("board-title").focus();
    });
    // An order that has waited for a hand or a focus on the cards is caught up with once both are gone.
    for (const leaves of ["pointerleave", "focusout"]) this.#list.addEventListener(leaves, () => this.#soon());
    setInterval(() => { for (const card of this.#cards.values()) card.tick(); }, TICK_MS);
    void this.#follow();
  }

  /** Says in the page's language what the filters offer. */
  offer() {
    this.#filters.offer("team", [["", text("page.list.all")], ...this.#directory.teams.map(({ id, name }) => [id, name])]);
    this.#filters.offer("alerts", [["", text("page.list.all")], ["1", text("page.board.only_alerts")]]);
    this.#filters.offer("sort", [["", text("page.board.sort.alerts")], ["newest", text("page.board.sort.newest")], ["name", text("page.board.sort.name")]]);
  }

  show() {
    byId("board-page").hidden = false;
    for (const card of this.#cards.values()) card.again();
    this.#arrange();
  }

  async #follow() {
    this.#timers.broken = setTimeout(() => this.#broken(), BROKEN_AFTER_MS);
    try {
      await stream("/board", { onEvent: (event) => this.#event(event), onState: (isConnected) => this.#state(isConnected) });
    } catch (problem) {
      this.#stale(true);
      notify("stream", "bad", problem.detail ?? problem.message, [{ label: text("page.try_again"), run: () => { dismiss("stream"); void this.#follow(); } }]);
    }
  }

  #state(isConnected) {
    clearTimeout(this.#timers.broken);
    if (!isConnected) this.#timers.broken = setTimeout(() => this.#broken(), BROKEN_AFTER_MS);
  }

  #broken() {
    this.#stale(true);
    const time = new Date().toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    notify("stream", "bad", text(this.#isKnown ? "page.board.broken" : "page.board.unconnected", { time }));
  }

  #stale(is) {
    this.#list.dataset.stale = String(is);
  }

  #event({ event, data }) {
    if (event === "snapshot") this.#snapshot(data.calls);
    else if (event === "call") this.#take(data);
    else if (event === "gone") this.#drop(data.id);
    this.#soon();
  }

  // After a break it tells all anew: what is not in it has ended meanwhile.
  #snapshot(calls) {
    const isFirst = !this.#isKnown;
    this.#isKnown = true;
    this.#stale(false);
    if (dismiss("stream")) announce(text("page.board.back"));
    const ids = new Set(calls.map(({ id }) => id));
    for (const id of [...this.#cards.keys()]) if (!ids.has(id)) this.#drop(id);
    for (const call of calls) this.#take(call, isFirst);
    const alerted = calls.filter(({ alerts }) => alerts.length).length;
    if (isFirst && alerted) announce(text("page.board.told_first", { count: alerted }));
    if (isFirst) this.#arrange();
  }

  #take(call, isFirst = false) {
    for (const alert of call.alerts) {
      const key = `${call.id} ${alert.code} ${alert.sinceMs}`;
      if (this.#told.has(key)) continue;
      this.#told.add(key);
      if (!isFirst) this.#tell(text("page.board.told", { name: call.name, alert: alertName(alert) }));
    }
    const card = this.#cards.get(call.id);
    if (card) card.show(call);
    else this.#cards.set(call.id, new BoardCard(call, (id) => this.#directory.name(id)));
  }

  #drop(id) {
    const card = this.#cards.get(id);
    if (!card) return;
    // The focus must not fall to the top of the page with what held it.
    if (card.root.contains(document.activeElement)) byId("board-title").focus();
    card.root.remove();
    this.#cards.delete(id);
    for (const key of this.#told) if (key.startsWith(id)) this.#told.delete(key);
  }

  // Several at once are one sentence: each would cut the one before it off.
  #tell(said) {
    this.#toTell.push(said);
    clearTimeout(this.#timers.telling);
    this.#timers.telling = setTimeout(() => {
      const all = this.#toTell.splice(0);
      const more = all.length - MOST_NAMED;
      announce([...all.slice(0, MOST_NAMED), ...(more > 0 ? [text("page.board.told_more", { count: more })] : [])].join(" "));
    }, TOGETHER_MS);
  }

  // Many cards change in the same moment: the list is laid out once for all of them.
  #soon() {
    if (this.#timers.arranging) return;
    this.#timers.arranging = setTimeout(() => {
      this.#timers.arranging = 0;
      this.#arrange();
    }, SETTLED_MS);
  }

  #filtered() {
    this.#arrange({ isAsked: true });
    announce(byId("board-count").textContent);
  }

  /** Shows what the filters leave, in order. Nothing moves under a hand or a focus, unless it `isAsked` for. */
  #arrange({ isAsked = false } = {}) {
    if (!this.#isKnown) {
      this.#empty("page.list.loading");
      return;
    }
    const { values } = this.#filters;
    const calls = [...this.#cards.values()].map(({ call }) => call);
    const wanted = sorted(matching(calls, values), values.sort).map(({ id }) => this.#cards.get(id).root);
    const keep = new Set(wanted);
    const isHeld = !isAsked && this.#list.matches(":hover, :focus-within");
    for (const root of [...this.#list.children]) if (!keep.has(root) && !root.contains(document.activeElement)) root.remove();
    if (isHeld) this.#list.append(...wanted.filter((root) => !root.isConnected));
    else place(this.#list, wanted);
    byId("board-sort").hidden = !isHeld || wanted.every((root, at) => this.#list.children[at] === root);
    this.#count(calls, wanted.length);
  }

  #count(calls, shown) {
    const counts = [
      ["live", calls.length],
      ["alerts", calls.filter(({ alerts }) => alerts.length).length],
      ["heard", calls.filter(({ people }) => people.some(({ role }) => role === "listener")).length],
      ["still", calls.filter(({ status }) => status !== "active").length],
    ];
    const rows = counts.map(([name, count]) => element(
      "div", { "data-count": name, "data-value": count }, element("dt", {}, text(`page.board.count.${name}`)), element("dd", {}, String(count))));
    byId("counters").replaceChildren(...rows);
    const all = calls.length;
    byId("board-count").textContent = all === shown ? text(all === 1 ? "page.board.one" : "page.board.all", { count: all }) : text("page.board.some", { shown, count: all });
    if (!all) this.#empty("page.board.nobody", "page.board.nobody_note");
    else if (!shown) this.#empty("page.list.no_match");
    else byId("board-empty").hidden = true;
  }

  #empty(key, note = null) {
    const said = note === null ? [element("p", {}, text(key))] : [element("strong", {}, text(key)), element("p", {}, text(note))];
    byId("board-empty").replaceChildren(...said);
    byId("board-empty").hidden = false;
  }
}

// Only what is in the wrong place is moved: what moves loses its focus and its animation.
function place(list, wanted) {
  let next = list.firstElementChild;
  for (const root of wanted) {
    if (root === next) next = next.nextElementSibling;
    else list.insertBefore(root, next);
  }
}

await start(async () => {
  const directory = new Directory();
  await directory.fetchTeams();
  return new Board(directory);
});
