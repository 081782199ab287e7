// What the page remembers on this device. Where storage is refused it remembers until it is closed.

const PREFIX = "forecourt.";
const memory = new Map();

/** The remembered value of `name`, or `fallback`. */
export function recall(name, fallback) {
  if (memory.has(name)) return memory.get(name);
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? fallback : JSON.parse(text);
  } catch (error) {
    console.info("Nothing could be read from storage:", error);
    return fallback;
  }
}

/** Remembers `value` (anything JSON can hold) under `name`. */
export function remember(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch (error) {
    console.info("Storage is not available; this is kept until the page closes:", error);
  }
}
