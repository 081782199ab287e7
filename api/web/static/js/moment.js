// Moments, durations and dates, as people read them in the page's language.

import { locale, text } from "./texts.js";

/** 83500 (ms) -> "1:23"; hours appear when there are any. */
export function clock(ms) {
  const total = Math.max(0, Math.floor(ms / 1000));
  const seconds = String(total % 60).padStart(2, "0");
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** 83500 (ms) -> "1 min 23 s". */
export function duration(ms) {
  const total = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(total / 60);
  return minutes ? text("page.duration.minutes", { minutes, seconds: total % 60 }) : text("page.duration.seconds", { seconds: total });
}

/** An ISO time -> "12 November 2026, 14:02" in the reader's own time zone. */
export function dateAndTime(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return text("page.date.unknown");
  const day = date.toLocaleDateString(locale(), { day: "numeric", month: "long", year: "numeric" });
  return text("page.date.time", { day, time: date.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" }) });
}

/** An ISO time -> "12 Nov 2026, 14:02": for lists. */
export function shortly(iso) {
  const date = new Date(iso);
  const day = date.toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric" });
  return text("page.date.time", { day, time: date.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" }) });
}

/** An ISO time -> "12 November". */
export function day(iso) {
  return new Date(iso).toLocaleDateString(locale(), { day: "numeric", month: "long" });
}

/** 2 -> "+2", -2 -> "−2" with a real minus sign, 0 -> "0". */
export function signed(number) {
  const rounded = Math.round(number);
  if (rounded === 0) return "0";
  return rounded > 0 ? `+${rounded}` : `−${-rounded}`;
}
