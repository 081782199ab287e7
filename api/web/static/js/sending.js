// Files on their way to the node, with how much of each has gone. Not by fetch, which cannot tell that.

import { bearer, leaveForSignIn, renew } from "./access.js";
import { address } from "./api.js";
import { Problem, problemOf, unreachable } from "./problem.js";

const MIB = 2 ** 20;
/** What the node takes at most (api/uploads.py). */
export const MOST_BYTES = { picture: 25 * MIB, recording: 1024 * MIB };
/** Fewer than the node takes of one person. */
const AT_ONCE = 3;
const MOST_TRIES = 4;
const BUSY_MS = 2000;

const waiting = [];
let underWay = 0;

/**
 * Uploads `file` (a Blob with a name); `about` is {batchId, shot} of a photo of a batch. Resolves with the upload;
 * `onSent(percent)` is told how far it is. Throws a Problem, and an AbortError once `signal` is aborted. Some files
 * are sent at a time, the others wait; where the node is busy, the file is sent again.
 */
export async function send(file, about = {}, { onSent = () => {}, signal } = {}) {
  await turn();
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await sentOnce(file, about, onSent, signal);
      } catch (problem) {
        if (problem.status !== 503 || tries === MOST_TRIES) throw problem;
        await new Promise((resolve) => { setTimeout(resolve, (problem.retryAfterS * 1000 || BUSY_MS) * Math.random() * 2); });
      }
    }
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}

async function turn() {
  if (underWay >= AT_ONCE) await new Promise((resolve) => { waiting.push(resolve); });
  underWay += 1;
}

async function sentOnce(file, about, onSent, signal) {
  const carried = await bearer();
  let answer = await posted(file, about, carried, onSent, signal);
  if (answer.status === 401) {
    try {
      await renew(carried);
    } catch (problem) {
      if (problem.status === 401) return leaveForSignIn();
      throw problem;
    }
    answer = await posted(file, about, await bearer(), onSent, signal);
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.json();
}

function posted(file, about, token, onSent, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", address("/uploads", { name: file.name, ...about }));
    request.responseType = "blob";
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", ({ loaded, total }) => onSent(total ? Math.floor((100 * loaded) / total) : 0));
    request.addEventListener("load", () => resolve(new Response(request.response, { status: request.status, headers: headersOf(request) })));
    request.addEventListener("error", () => reject(new Problem(0, "No answer", unreachable())));
    request.addEventListener("abort", () => reject(signal.reason));
    request.addEventListener("loadend", () => signal?.removeEventListener("abort", abort));
    signal?.addEventListener("abort", abort);
    request.send(file);
  });
}

function headersOf(request) {
  const lines = request.getAllResponseHeaders().trim().split("\r\n").filter(Boolean);
  return lines.map((line) => { const [name, ...value] = line.split(": "); return [name, value.join(": ")]; });
}
