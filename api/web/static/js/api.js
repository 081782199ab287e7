// The HTTP API of a Forecourt node. Every failure is a Problem whose `detail` can be shown as it is.

import { language, text } from "./texts.js";

const BASE = "/api/v1";
const SENTENCES = { 404: "not_found", 409: "conflict", 503: "unavailable" };

export const unreachable = () => text("page.problem.unreachable");

/** A refused or failed request. `status` 0 means that no answer came. */
export class Problem extends Error {
  constructor(status, title, detail, retryAfterS = null) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail || title;
    this.retryAfterS = retryAfterS;
  }
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", ...options });
  } catch (error) {
    throw new Problem(0, `No answer: ${error.message}`, unreachable());
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

async function problemOf(answer) {
  const retry = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  const told = (answer.headers.get("Content-Type") ?? "").includes("json") ? await answer.json().catch(() => null) : null;
  const title = typeof told?.title === "string" ? told.title : `The server answered ${answer.status}`;
  const detail = detailOf(answer.status, told?.detail);
  return new Problem(answer.status, title, detail, Number.isNaN(retry) ? null : retry);
}

/** What to show for a refusal. The node's own sentences are English; in other languages the status has to do. */
export function detailOf(status, told) {
  if (typeof told === "string" && told && language() === "en") return told;
  if (told) console.info("The node says:", told);
  return text(`page.problem.${SENTENCES[status] ?? "other"}`, { status: String(status) });
}

async function sendJson(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(BASE + path, { method, headers, body: JSON.stringify(body) })).json();
}

async function getJson(path, options) {
  return (await request(BASE + path, options)).json();
}

/** A new session; the answer alone carries `resumeToken`. */
export const createSession = (wanted) => sendJson("POST", "/sessions", wanted);

/** Stores the consent a call may not start without. */
export const giveConsent = (id, recording, textVersion) =>
  sendJson("PUT", `/sessions/${encodeURIComponent(id)}/consent`, { coaching: true, recording, textVersion });

export const session = (id) => getJson(`/sessions/${encodeURIComponent(id)}`);
export const sessions = async (limit = 50) => (await getJson(`/sessions?limit=${limit}`)).items;

/** Journalled events with seq > `after`, in order. */
export const events = async (id, after = 0) => (await getJson(`/sessions/${encodeURIComponent(id)}/events?after=${after}`)).items;

/** What a playbook says; its digest names the content, so that a browser asks once. */
export const playbook = (digest) => getJson(`/playbooks/${encodeURIComponent(digest)}`, { cache: "default" });

export const recordingUrl = (id) => `${BASE}/sessions/${encodeURIComponent(id)}/recording`;

/** Judges a check recording (a WAV Blob). */
export async function checkMicrophone(wav) {
  const answer = await request(`${BASE}/microphone-checks`, { method: "POST", headers: { "Content-Type": "audio/wav" }, body: wav });
  return answer.json();
}

/** WHIP (RFC 9725): posts an SDP offer, resolves with {sdp, location}. `token` resumes a session. */
export async function publish(whipUrl, sdp, token, signal) {
  const headers = { "Content-Type": "application/sdp" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await request(whipUrl, { method: "POST", headers, body: sdp, signal });
  const location = answer.headers.get("Location");
  return { sdp: await answer.text(), location: location && new URL(location, answer.url).href };
}

/** What a WHIP endpoint links to: the values of its `Link` headers. `token` as for `publish`. */
export async function links(whipUrl, token, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  return (await request(whipUrl, { method: "OPTIONS", headers, signal })).headers.get("Link") ?? "";
}

/** Ends what `publish` started. `keepalive` lets it leave a page that is being closed. */
export async function unpublish(location, token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  await request(location, { method: "DELETE", headers, keepalive: true });
}
