// Who is signed in here. The access token lives in this page's memory alone; the refresh cookie, which no script can
// read, brings a new one. All tabs share that cookie: one tab renews at a time, and hands what it got to the others.

import { Problem, problemOf, unreachable } from "./problem.js";

const AUTH = "/api/v1/auth";
const LOCK = "forecourt-refresh";
/** A token this close to its end is renewed before it is used. */
const AHEAD_MS = 60_000;

/** {token, untilMs, user}; null while signed out, or not yet known to be signed in. */
let access = null;
let renewing = null;
let isLeaving = false;
const tabs = new BroadcastChannel("forecourt-access");

tabs.addEventListener("message", ({ data }) => {
  if (data === null) {
    // Signed out in another tab: what this one shows is not for whoever comes next.
    if (access) void leaveForSignIn();
    return;
  }
  if (access && access.user.id !== data.user.id) location.reload();
  else access = data;
});

// A page that the browser kept shows what was there before, whoever is signed in now.
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });

/** Whether a request can go out now without renewing first. */
export const isFresh = () => access !== null && Date.now() < access.untilMs - AHEAD_MS;

/** The token to send. Leads to the sign-in page, and never resolves, where there is none to be had. */
export async function bearer() {
  if (isFresh()) return access.token;
  try {
    await renew();
  } catch (problem) {
    if (problem.status === 401) return leaveForSignIn();
    if (access === null || Date.now() >= access.untilMs) throw problem;
    console.info("The access token could not be renewed yet:", problem);
  }
  return access.token;
}

/**
 * Gets a new access token by the refresh cookie and resolves with the UserView; what was had is kept where it is
 * another than `refused`. Throws a Problem: 401 where nobody is signed in, 0 where the node cannot be reached.
 */
export function renew(refused = null) {
  if (refused !== null && isFresh() && access.token !== refused) return Promise.resolve(access.user);
  renewing ??= renewed().finally(() => { renewing = null; });
  return renewing;
}

/** The UserView of who is signed in, renewed if need be. Throws as `renew`. */
export const current = async () => (isFresh() ? access.user : renew());

async function renewed() {
  const before = access;
  return navigator.locks.request(LOCK, async () => {
    // While this tab waited, another one may have handed over what it got.
    if (access !== before && isFresh()) return access.user;
    // A page that is closed in between must still take the new cookie.
    const answer = await posted("/refresh", undefined, { keepalive: true });
    return took(await answer.json(), answer).user;
  });
}

/**
 * Posts `body` to a sign-in route (below /auth) and resolves with its answer. Takes the access token where there is
 * one. Throws a Problem.
 */
export async function enter(path, body) {
  // Not amid a renewal, whose answer would put the cookie of before in place of this one.
  return navigator.locks.request(LOCK, async () => {
    const answer = await posted(path, body);
    if (answer.status === 204 || answer.status === 202) return null;
    const view = await answer.json();
    if (view.accessToken) took(view, answer);
    return view;
  });
}

/** Ends this sign-in in every tab and shows the sign-in page. Throws a Problem where the node cannot be told. */
export async function signOut() {
  await navigator.locks.request(LOCK, () => posted("/sign-out"));
  tabs.postMessage(null);
  access = null;
  location.assign("/sign-in");
}

/** Goes to the sign-in page, and from there back to where the page is now. Never resolves: the page is left. */
export function leaveForSignIn() {
  access = null;
  if (!isLeaving) {
    isLeaving = true;
    const here = location.pathname + location.search + location.hash;
    location.assign(here === "/" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(here)}`);
  }
  return new Promise(() => {});
}

/** The user shown here has changed (a new UserView): for this tab and those that are handed its token. */
export function setUser(user) {
  access = { ...access, user };
  tabs.postMessage(access);
}

async function posted(path, body, options = {}) {
  const request = { method: "POST", cache: "no-store", credentials: "same-origin", ...options };
  if (body !== undefined) Object.assign(request, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  let answer;
  try {
    answer = await fetch(AUTH + path, request);
  } catch (error) {
    throw new Problem(0, `No answer: ${error.message}`, unreachable());
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

// By the node's own clock, which this device's may differ from.
function took({ accessToken, expiresAt, user }, answer) {
  const servedMs = Date.parse(answer.headers.get("Date") ?? "") || Date.now();
  access = { token: accessToken, untilMs: Date.now() + (Date.parse(expiresAt) - servedMs), user };
  tabs.postMessage(access);
  return access;
}
