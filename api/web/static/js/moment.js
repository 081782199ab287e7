// Moments, durations and dates, as people read them.

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
  return minutes ? `${minutes} min ${total % 60} s` : `${total} s`;
}

/** An ISO time -> "12 November 2026, 14:02" in the reader's own time zone. */
export function dateAndTime(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "an unknown date";
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
  return `${day}, ${date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

/** An ISO time -> "12 November". */
export function day(iso) {
  return new Date(iso).toLocaleDateString("en-GB", { day: "numeric", month: "long" });
}

/** 2 -> "+2", -2 -> "−2" with a real minus sign, 0 -> "0". */
export function signed(number) {
  const rounded = Math.round(number);
  if (rounded === 0) return "0";
  return rounded > 0 ? `+${rounded}` : `−${-rounded}`;
}

/** -28.4 -> "−28.4": one decimal, a real minus sign. */
export function decimal(number, digits = 1) {
  return number.toFixed(digits).replace("-", "−");
}
