// The account of whoever is signed in: what they prefer, here and on their other devices.

import { setUser } from "./access.js";
import { get, put } from "./api.js";
import { remember } from "./preferences.js";

/** The UserView as the node has it now; every part of the page, and the other tabs, are told. */
export async function reread() {
  const user = await get("/me");
  setUser(user);
  return user;
}

let storing = Promise.resolve();

/** Stores `changes` ({language, theme, notifications}, any of them); resolves with the UserView. Throws a Problem. */
export function prefer(changes) {
  // One after the other: each is a change of what the one before has stored.
  const stored = storing.then(() => store(changes));
  storing = stored.catch(() => {});
  return stored;
}

async function store(changes) {
  const { id, version, preferences } = await get("/me");
  await put(`/users/${id}/preferences`, { ...preferences, ...changes }, { version });
  return reread();
}

/** Shows the page in `theme`: light, dark or system. */
export function showTheme(theme) {
  remember("theme", theme);
  dispatchEvent(new CustomEvent("forecourt-theme", { detail: theme }));
}

/** What somebody is called: the name, or the address while there is none. */
export function nameOf({ profile, email }) {
  return `${profile.firstName} ${profile.lastName}`.trim() || email;
}
