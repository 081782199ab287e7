// What every page has around it: where one is and can go, the inbox, and the account of who is signed in.

import { current, isFresh, leaveForSignIn, renew, signOut } from "./access.js";
import { get } from "./api.js";
import { begin, offer, speak } from "./choice.js";
import { Disclosure } from "./disclosure.js";
import { byId, element, icon } from "./element.js";
import { addIcons } from "./icons.js";
import { nameOf, prefer, showTheme } from "./me.js";
import { notify } from "./notices.js";
import { text, write } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";
const COUNT_EVERY_MS = 60_000;
const MOST_SHOWN = 99;
/** [name, address, the roles that have it, the group that it is in; everybody, and none, without]. */
const PLACES = [
  ["practice", "/#/"],
  ["calls", "/calls"],
  ["board", "/board", ["admin", "manager", "coach"]],
  ["monday", "/monday", ["admin", "manager"], "coaching"],
  ["assignments", "/assignments", null, "coaching"],
  ["progress", "/progress", null, "coaching"],
  ["playbooks", "/playbooks", ["admin", "manager", "coach"], "coaching"],
  ["studio", "/studio", null, "content"],
  ["vehicles", "/vehicles", null, "content"],
  ["photos", "/photos", null, "content"],
  ["outlets", "/outlets", ["admin", "manager"], "content"],
  ["people", "/people", ["admin", "manager"], "dealership"],
  ["teams", "/teams", ["admin", "manager"], "dealership"],
  ["audit", "/audit", ["admin"], "dealership"],
  ["docs", "/docs"],
];
/** A group of fewer is no menu of its own. */
const FEWEST_GROUPED = 3;
const THEMES = [["light", "sun"], ["dark", "moon"], ["system", "device"]];
const LANGUAGES = [["en", "English"], ["es", "Español (beta)"]];

/**
 * Loads the page's texts, finds out who is signed in and fills the header. Resolves with their UserView; with null
 * where the page cannot begin, which it then says itself. Where nobody is signed in the page is left for the sign-in
 * page. `changed()` shows the page's view afresh, in another language.
 */
export async function signedIn({ changed = () => {} } = {}) {
  if (!isSecureContext) return insecure();
  const [hasTexts, user] = await Promise.all([begin(), whoever()]);
  if (!hasTexts || !user) {
    if (hasTexts) fill(brand());
    byId("unloaded").hidden = false;
    return null;
  }
  showTheme(user.preferences.theme);
  await speak(user.preferences.language);
  fill(menuButton(), brand(), navigation(user.role), languages(), inbox(), account(user));
  new Disclosure(byId("menu-button"), byId("navigation"));
  for (const group of document.querySelectorAll(".nav-group")) new Disclosure(group.querySelector("button"), group.querySelector("ul"));
  new Disclosure(byId("account-button"), byId("account-menu"));
  offer(async (chosen) => {
    showUnread(unread);
    await changed();
    await keep({ language: chosen });
  });
  count();
  return user;
}

/** As `signedIn` for a page that anybody may read: null, too, where nobody is signed in, which the header says. */
export async function visited() {
  let user = null;
  try {
    if (isSecureContext) user = await renew();
  } catch (problem) {
    console.info("Nobody is signed in:", problem);
  }
  if (user) return signedIn();
  if (await welcome()) byId("shell").querySelector(".shell-bar").append(written("a", "page.shell.sign_in", { class: "button", href: "/sign-in" }));
  return null;
}

/** As `signedIn` for a page that needs nobody to be: whether it can begin. */
export async function welcome({ changed = () => {} } = {}) {
  if (!isSecureContext) return insecure();
  if (!(await begin())) return false;
  fill(brand(), languages());
  offer(changed);
  return true;
}

/** Takes what leads away from the page out of the header while a call is on. */
export function duringCall(isOn) {
  for (const id of ["menu-button", "navigation", "language-choice", "inbox-link", "account"]) byId(id).hidden = isOn;
}

let unread = 0;

/** Shows `number` of unread notifications at the bell. */
export function showUnread(number) {
  unread = number;
  const badge = byId("inbox-count");
  badge.hidden = number === 0;
  badge.textContent = number > MOST_SHOWN ? `${MOST_SHOWN}+` : String(number);
  byId("inbox-link").setAttribute("aria-label", number ? text("page.shell.inbox_unread", { count: number }) : text("page.shell.inbox"));
}

// Neither cookies that are safe nor a microphone are to be had: the person needs another address.
async function insecure() {
  if (await begin()) {
    fill(brand());
    write(byId("unloaded"), "page.shell.insecure");
  }
  byId("unloaded").hidden = false;
  return null;
}

async function whoever() {
  try {
    return await current();
  } catch (problem) {
    if (problem.status === 401) return leaveForSignIn();
    console.error("Who is signed in could not be found out:", problem);
    return null;
  }
}

// Only while the page is seen and its token fresh: what nobody looks at must not keep a sign-in alive.
function count() {
  const ask = async () => {
    if (document.visibilityState !== "visible" || !isFresh()) return;
    try {
      showUnread((await get("/notifications", { unread: true, limit: 0 })).unread);
    } catch (problem) {
      console.info("Unread notifications could not be counted:", problem);
    }
  };
  void ask();
  setInterval(() => void ask(), COUNT_EVERY_MS);
  document.addEventListener("visibilitychange", () => void ask());
}

async function keep(changes) {
  try {
    await prefer(changes);
  } catch (problem) {
    notify("preferences", "warn", text("page.shell.not_kept", { why: problem.detail ?? problem.message }));
  }
}

function fill(...parts) {
  addIcons();
  const skip = element("a", { class: "skip", href: "#content", "data-text": "page.skip" }, text("page.skip"));
  // Some pages tell by their address what they show; jumping to the content must not change it.
  skip.addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  byId("shell").replaceChildren(skip, element("div", { class: "shell-bar" }, ...parts));
}

const written = (tag, key, attributes = {}) => element(tag, { ...attributes, "data-text": key }, text(key));
const labelled = (key) => ({ "aria-label": text(key), "data-text-aria-label": key });

function brand() {
  return element("a", { class: "brand", href: "/#/", ...labelled("page.home") }, mark(), element("span", { class: "brand-name" }, "Forecourt"));
}

function mark() {
  const svg = document.createElementNS(SVG, "svg");
  const square = document.createElementNS(SVG, "rect");
  const voice = document.createElementNS(SVG, "path");
  for (const [name, value] of [["class", "mark"], ["viewBox", "0 0 32 32"], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
  for (const [name, value] of [["width", "32"], ["height", "32"], ["rx", "8"]]) square.setAttribute(name, value);
  voice.setAttribute("d", "M8 18v-4M13 22V10M18 19v-6M23 24V8");
  svg.append(square, voice);
  return svg;
}

function menuButton() {
  return element("button", { type: "button", id: "menu-button", class: "shell-button menu-button", ...labelled("page.shell.menu") }, icon("menu"));
}

function navigation(role) {
  const places = PLACES.filter(([, , roles]) => !roles || roles.includes(role));
  const groups = new Map();
  const items = places.flatMap(([name, href, , group]) => {
    const isHere = new URL(href, location.href).pathname === location.pathname;
    const item = element("li", {}, written("a", `page.navigation.${name}`, { href, "data-place": name, "aria-current": isHere ? "page" : null }));
    if (!group || places.filter(([, , , other]) => other === group).length < FEWEST_GROUPED) return [item];
    const known = groups.get(group);
    if (!known) groups.set(group, menu(group));
    groups.get(group).add(item, isHere);
    return known ? [] : [groups.get(group).root];
  });
  return element("nav", { id: "navigation", class: "navigation", ...labelled("page.navigation.label") }, element("ul", {}, ...items));
}

/** A menu in the header's navigation; in that of a phone its places stand among the others. */
function menu(name) {
  const list = element("ul", { id: `nav-${name}` });
  const button = element("button", { type: "button", class: "nav-button" }, written("span", `page.navigation.${name}`), icon("down"));
  const root = element("li", { class: "nav-group" }, button, list);
  return {
    root,
    add(item, isHere) {
      list.append(item);
      if (isHere) button.dataset.current = "true";
    },
  };
}

function languages() {
  const options = LANGUAGES.map(([value, name]) => element("option", { value, lang: value }, name));
  return element(
    "div", { class: "language", id: "language-choice" },
    written("label", "page.language", { class: "unseen", for: "language" }),
    element("select", { id: "language" }, ...options),
  );
}

function inbox() {
  const isHere = location.pathname === "/inbox";
  return element(
    "a", { id: "inbox-link", class: "shell-button", href: "/inbox", "aria-label": text("page.shell.inbox"), "aria-current": isHere ? "page" : null },
    icon("bell"),
    element("span", { id: "inbox-count", class: "count", "aria-hidden": "true", hidden: true }),
  );
}

function account(user) {
  const name = nameOf(user);
  const initials = name.split(/[\s@.]+/, 2).map((word) => word.charAt(0)).join("").toUpperCase();
  const button = element(
    "button", { type: "button", id: "account-button", class: "shell-button account-button" },
    element("span", { class: "avatar", "aria-hidden": "true" }, initials),
    written("span", "page.shell.account_of", { class: "unseen" }),
    element("span", { class: "account-name" }, name),
    icon("down"),
  );
  const menu = element(
    "div", { id: "account-menu", class: "account-menu", role: "group", ...labelled("page.shell.account_menu") },
    element("p", { class: "who" }, element("strong", {}, name), element("span", {}, user.email), written("span", `page.role.${user.role}`)),
    themes(user.preferences.theme),
    element("a", { href: "/account", class: "menu-row" }, icon("person"), written("span", "page.shell.account")),
    element("button", { type: "button", id: "sign-out", class: "menu-row", onclick: leave }, icon("out"), written("span", "page.shell.sign_out")),
  );
  return element("div", { class: "account", id: "account" }, button, menu);
}

function themes(chosen) {
  const choices = THEMES.map(([theme, symbol]) => element(
    "label", {},
    element("input", { type: "radio", name: "shell-theme", value: theme, checked: theme === chosen, onchange: () => { showTheme(theme); void keep({ theme }); } }),
    icon(symbol),
    written("span", `page.theme.${theme}`),
  ));
  return element("fieldset", { class: "themes", id: "shell-theme" }, written("legend", "page.theme.label"), ...choices);
}

async function leave() {
  try {
    await signOut();
  } catch (problem) {
    notify("sign-out", "bad", problem.detail, [{ label: text("page.try_again"), run: () => void leave() }]);
  }
}
