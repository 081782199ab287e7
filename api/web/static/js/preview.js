// Small pictures of uploads, fetched with the access token once they come into sight.

import { blob } from "./api.js";

const AT_ONCE = 3;
const MOST_TRIES = 5;
const BUSY_MS = 3000;

const urls = new Map();
const waiting = [];
let underWay = 0;

/** The address of the preview of an upload, for an <img>. Throws a Problem. */
export function previewOf(id) {
  if (!urls.has(id)) {
    const url = fetched(id);
    urls.set(id, url);
    // What cannot be decoded never will be.
    url.catch(({ status }) => { if (status !== 422) urls.delete(id); });
  }
  return urls.get(id);
}

/** Forgets the previews of all but the uploads in `ids` (a Set). */
export function keepPreviews(ids) {
  for (const [id, url] of [...urls]) {
    if (ids.has(id)) continue;
    urls.delete(id);
    url.then(URL.revokeObjectURL, () => {});
  }
}

/** An <img> of an upload, loaded once it is seen; in its place `failed(problem)` (a node) where that cannot be. */
export function thumbnail(id, alt, failed) {
  const image = Object.assign(new Image(), { alt, className: "thumbnail" });
  const seen = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    seen.disconnect();
    try {
      image.src = await previewOf(id);
    } catch (problem) {
      image.replaceWith(failed(problem));
    }
  }, { rootMargin: "300px" });
  seen.observe(image);
  return image;
}

async function fetched(id) {
  if (underWay >= AT_ONCE) await new Promise((resolve) => { waiting.push(resolve); });
  underWay += 1;
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return URL.createObjectURL(await blob(`/uploads/${id}/preview`, { cache: "default" }));
      } catch (problem) {
        if (problem.status !== 503 || tries === MOST_TRIES) throw problem;
        await new Promise((resolve) => { setTimeout(resolve, problem.retryAfterS * 1000 || BUSY_MS); });
      }
    }
  } finally {
    underWay -= 1;
    waiting.shift()?.();
  }
}
