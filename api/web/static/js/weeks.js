// ISO weeks, as the node names them: "2026-W47" begins on Monday 0:00 UTC.

import { locale } from "./texts.js";

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** Its first Thursday is what an ISO year's first week has in it. */
const THURSDAY_MS = 3 * DAY_MS;

/** The name of the week in which `ms` (since 1970) lies. */
export function weekOf(ms) {
  const thursday = new Date(mondayOf(ms) + THURSDAY_MS);
  const year = thursday.getUTCFullYear();
  const first = mondayOf(Date.UTC(year, 0, 4));
  const number = 1 + Math.round((mondayOf(ms) - first) / WEEK_MS);
  return `${year}-W${String(number).padStart(2, "0")}`;
}

/** When a week begins, in ms; null for what names none. */
export function beginsAt(week) {
  const [, year, number] = /^(\d{4})-W(\d{2})$/.exec(week ?? "") ?? [];
  if (!year) return null;
  const at = mondayOf(Date.UTC(Number(year), 0, 4)) + (Number(number) - 1) * WEEK_MS;
  return weekOf(at) === week ? at : null;
}

/** The week that is `count` after `week`. */
export const later = (week, count) => weekOf(beginsAt(week) + count * WEEK_MS);

/** The last whole week. */
export const lastWeek = () => weekOf(Date.now() - WEEK_MS);

/** "16 – 22 November 2026". */
export function inWords(week) {
  const [from, to] = [beginsAt(week), beginsAt(week) + 6 * DAY_MS].map((ms) => new Date(ms));
  const format = new Intl.DateTimeFormat(locale(), { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  return format.formatRange(from, to);
}

// 1 January 1970 was a Thursday.
function mondayOf(ms) {
  const days = Math.floor(ms / DAY_MS);
  return (days - ((days + 3) % 7)) * DAY_MS;
}
