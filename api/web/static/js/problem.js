// What goes wrong between page and node, in words for the person.

import { has, language, text } from "./texts.js";

const SENTENCES = {
  401: "signed_out", 403: "forbidden", 404: "not_found", 409: "conflict", 410: "gone",
  412: "changed_elsewhere", 422: "not_taken", 429: "too_many", 503: "unavailable",
};

export const unreachable = () => text("page.problem.unreachable");

/**
 * A refused or failed request. `status` 0 means that no answer came. `detail` can be shown as it is; `code` tells
 * cases of one status apart ("" without one); `errors` lists {field, message} of what was wrong in a body.
 */
export class Problem extends Error {
  constructor(status, title, detail, { retryAfterS = null, code = "", errors = [] } = {}) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail || title;
    this.retryAfterS = retryAfterS;
    this.code = code;
    this.errors = errors;
  }
}

/** The Problem that a refusal tells of. */
export async function problemOf(answer) {
  const retry = Number.parseInt(answer.headers.get("Retry-After") ?? "", 10);
  const told = (answer.headers.get("Content-Type") ?? "").includes("json") ? await answer.json().catch(() => null) : null;
  const title = typeof told?.title === "string" ? told.title : `The server answered ${answer.status}`;
  const code = typeof told?.code === "string" ? told.code : "";
  return new Problem(answer.status, title, detailOf(answer.status, told?.detail, code), {
    retryAfterS: Number.isNaN(retry) ? null : retry,
    code,
    errors: Array.isArray(told?.errors) ? told.errors : [],
  });
}

/** What to show for a refusal. The node's own sentences are English; in other languages code or status have to do. */
export function detailOf(status, told, code = "") {
  if (typeof told === "string" && told && language() === "en") return told;
  if (told) console.info("The node says:", told);
  if (code && has(`page.problem.code.${code}`)) return text(`page.problem.code.${code}`);
  return text(`page.problem.${SENTENCES[status] ?? "other"}`, { status: String(status) });
}
