// What is to be told of a job, whatever it works on.

import { has, language, text } from "./texts.js";

/** Whether it waits or is worked on. */
export const isOpen = (job) => job?.status === "pending" || job?.status === "processing";

/** Whether it is over without a result, so that it can be tried again. */
export const canRetry = (job) => ["failed", "dead", "cancelled"].includes(job?.status);

/** Why it failed. The node's own sentences are English; in other languages its code has to do. */
export function failure({ code, message }) {
  if (language() === "en") return message;
  const key = `page.job_error.${code}`;
  return text(has(key) ? key : "page.job_error.other");
}
