// The HTTP API of a Forecourt node, asked as the person who is signed in. Every failure is a Problem whose `detail`
// can be shown as it is. Where nobody is signed in any more, the page leaves for the sign-in page by itself.

import { bearer, leaveForSignIn, renew } from "./access.js";
import { Problem, problemOf, unreachable } from "./problem.js";
import { streamed } from "./stream.js";

export { renew, signOut } from "./access.js";
export { Problem, detailOf, unreachable } from "./problem.js";

const BASE = "/api/v1";

/** `path` below /api/v1 with the parameters of `query`; those that are null, undefined or "" are left out. */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return BASE + path + (given.length ? `?${new URLSearchParams(given)}` : "");
}

/** Sends a request as it is told: no token is added. */
async function sent(url, options) {
  try {
    return await fetch(url, { cache: "no-store", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, `No answer: ${error.message}`, unreachable());
  }
}

/** Sends a request with `token`, or the access token without one; renews that, and asks again, once. */
async function request(url, options = {}, token = null) {
  const as = (carried) => sent(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${carried}` } });
  const carried = token ?? await bearer();
  let answer = await as(carried);
  if (answer.status === 401 && !token) {
    try {
      await renew(carried);
    } catch (problem) {
      if (problem.status === 401) return leaveForSignIn();
      throw problem;
    }
    answer = await as(await bearer());
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

// 202 and 204 say nothing.
const bodyOf = async (answer) => ((answer.headers.get("Content-Type") ?? "").includes("json") ? answer.json() : null);

/** GET: the JSON at `path` below /api/v1; `query` as for `address`. */
export const get = async (path, query = {}, options = {}) => bodyOf(await request(address(path, query), options));

/** A new key for `post`: one for each thing to be created, kept while the same is tried again. */
export const newKey = () => crypto.randomUUID();

/** POST of `body` (undefined: none); what is answered, or null. `key`: an idempotency key, for creates. */
export const post = (path, body, { key = null, signal } = {}) =>
  change("POST", path, body, { signal, headers: key ? { "Idempotency-Key": key } : {} });

/** PUT of `body`. `version`: the one that was read of what is changed; 412 where somebody else was first. */
export const put = (path, body, { version = null, signal } = {}) => change("PUT", path, body, { signal, headers: matching(version) });

/** DELETE; `body` where the node asks for one (a password). */
export const del = (path, body, { version = null, signal } = {}) => change("DELETE", path, body, { signal, headers: matching(version) });

const matching = (version) => (version === null ? {} : { "If-Match": `"${version}"` });

async function change(method, path, body, { headers, signal }) {
  const options = { method, headers, signal };
  if (body !== undefined) {
    options.headers = { ...headers, "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  return bodyOf(await request(address(path), options));
}

/**
 * The events at `path` as they happen, until `signal` is aborted: `onEvent({id, event, data})` for each, from
 * `lastEventId` on, across broken connections, of which `onState(isConnected)` is told. Throws a Problem where the
 * node refuses.
 */
export const stream = (path, { lastEventId = null, onEvent, onState, signal }) =>
  streamed((last) => {
    const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
    return request(address(path), { headers, signal });
  }, { lastEventId, onEvent, onState, signal });

/** What is at `path`, as a Blob. */
export const blob = async (path, options = {}) => (await request(address(path), options)).blob();

/** Saves what is at `path` as the file `name`; `query` as for `address`. */
export async function download(path, name, query = {}) {
  const url = URL.createObjectURL(await (await request(address(path, query))).blob());
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A new session; the answer alone carries `resumeToken`. */
export const createSession = (wanted) => post("/sessions", wanted, { key: newKey() });

/** Stores the consent a call may not start without. */
export const giveConsent = (id, recording, textVersion) =>
  put(`/sessions/${encodeURIComponent(id)}/consent`, { coaching: true, recording, textVersion });

export const session = (id) => get(`/sessions/${encodeURIComponent(id)}`);

/** The newest sessions that one may see; `query` narrows them down. */
export const sessions = async (query = {}) => (await get("/sessions", { limit: 50, ...query })).items;

/** Journalled events with seq > `after`, in order. */
export const events = async (id, after = 0) => (await get(`/sessions/${encodeURIComponent(id)}/events`, { after })).items;

/** What a playbook says; its digest names the content, so that a browser asks once. */
export const playbook = (digest) => get(`/playbooks/${encodeURIComponent(digest)}`, {}, { cache: "default" });

export const recordingUrl = (id) => `${BASE}/sessions/${encodeURIComponent(id)}/recording`;

/** Lets an <audio> or a download get this session's recording for some minutes: neither can carry a token. */
export const playable = (id) => post(`/sessions/${encodeURIComponent(id)}/media`);

/** Judges a check recording (a WAV Blob). */
export async function checkMicrophone(wav) {
  const options = { method: "POST", headers: { "Content-Type": "audio/wav" }, body: wav };
  return (await request(`${BASE}/microphone-checks`, options)).json();
}

/**
 * WHIP (RFC 9725) and WHEP: posts an SDP offer, resolves with {sdp, location}. `token` is a session's resume token,
 * for what follows the first publication; without one the person's access token is sent.
 */
export async function publish(url, sdp, token, signal) {
  const answer = await request(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp, signal }, token);
  const location = answer.headers.get("Location");
  return { sdp: await answer.text(), location: location && new URL(location, answer.url).href };
}

/** What a WHIP or WHEP endpoint links to: the values of its `Link` headers. `token` as for `publish`. */
export async function links(url, token, signal) {
  return (await request(url, { method: "OPTIONS", signal }, token)).headers.get("Link") ?? "";
}

/** Ends what `publish` started. `keepalive` lets it leave a page that is being closed. */
export async function unpublish(location, token) {
  await request(location, { method: "DELETE", keepalive: true }, token);
}

/**
 * How whoever listens at `location` (of `publish`) takes part: monitor, whisper or barge. `consent`: {textVersion} of
 * what they agreed to where they are recorded, or null. Throws a Problem (`consent_needed`, `seats_taken`, `no_microphone`).
 */
export async function setMode(location, mode, consent) {
  const body = JSON.stringify({ mode, ...(consent && { recordingConsent: true, ...consent }) });
  return (await request(`${location}/mode`, { method: "PUT", headers: { "Content-Type": "application/json" }, body })).json();
}

/** Says something about the moment `atMs` of a call: {kind: note, stamp or bookmark, text?, stamp?}. */
export const annotate = (id, annotation) => post(`/sessions/${encodeURIComponent(id)}/annotations`, annotation, { key: newKey() });

/** What the code of an invitation leads to: {sessionId, traineeName, sessionType, language, recording}. */
export const previewCall = (code) => post("/partners/preview", { code });

/** Becomes the partner in that call; {…, resumeToken, whipUrl}. `consent`: {coaching, recording, textVersion}. */
export const joinCall = (code, consent) => post("/partners", { code, consent });
