// Which calls the board shows, and in which order.

const BY = {
  name: (a, b) => a.name.localeCompare(b.name),
  newest: (a, b) => startOf(b) - startOf(a),
  // Those that wait longest come first.
  alerts: (a, b) => b.alerts.length - a.alerts.length || waitingSince(a) - waitingSince(b) || startOf(b) - startOf(a),
};

const startOf = ({ startTime }) => (startTime ? Date.parse(startTime) : 0);
const waitingSince = (call) => Math.min(...call.alerts.map(({ sinceMs }) => startOf(call) + sinceMs));
const plain = (words) => words.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Those of `calls` that the filters `name`, `team` and `alerts` leave, each as the form has it. */
export function matching(calls, { name = "", team = "", alerts = "" }) {
  const wanted = plain(name.trim());
  return calls.filter((call) => plain(call.name).includes(wanted) && (!team || call.teamId === team) && (!alerts || call.alerts.length > 0));
}

/** `calls` in the order `sort`: alerts (also for ""), newest or name. */
export function sorted(calls, sort = "") {
  const by = BY[sort || "alerts"] ?? BY.alerts;
  return calls.toSorted((a, b) => by(a, b) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
}
