// A video's words, large, going on by the time of its shots. Space pauses, arrows go from shot to shot.

import { element } from "./element.js";
import { text } from "./texts.js";

const TICK_MS = 100;

/** Shows the shots of `passages` over the whole screen until it is closed. */
export function showPrompter(passages) {
  const shots = passages.filter(({ role }) => role === "shot");
  const lines = shots.map(({ text: words }) => element("p", { class: "line", dir: "auto" }, words));
  const clock = element("p", { role: "status", class: "clock" });
  const pause = element("button", { type: "button", onclick: () => toggle() }, text("page.prompter.start"));
  const root = element("dialog", { class: "teleprompter", "aria-label": text("page.prompter.title") },
    clock,
    element("div", { class: "lines", tabindex: "0", role: "region", "aria-label": text("page.prompter.title") }, ...lines),
    element("div", { class: "actions" },
      pause,
      element("button", { type: "button", "aria-pressed": "false", onclick: ({ currentTarget }) => {
        const isMirrored = root.dataset.mirrored !== "true";
        root.dataset.mirrored = String(isMirrored);
        currentTarget.setAttribute("aria-pressed", String(isMirrored));
      } }, text("page.prompter.mirror")),
      element("button", { type: "button", onclick: () => root.close() }, text("page.dialog.close"))));
  let [at, leftMs, isOn] = [0, 0, false];
  const show = (number) => {
    at = Math.max(0, Math.min(shots.length - 1, number));
    leftMs = (shots[at].seconds ?? 3) * 1000;
    lines.forEach((line, place) => (place === at ? line.setAttribute("aria-current", "true") : line.removeAttribute("aria-current")));
    lines[at].scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    clock.textContent = text("page.prompter.shot", { number: at + 1, total: shots.length, seconds: leftMs / 1000 });
  };
  const toggle = () => {
    isOn = !isOn;
    pause.textContent = text(isOn ? "page.prompter.pause" : "page.prompter.start");
  };
  const timer = setInterval(() => {
    if (!isOn) return;
    leftMs -= TICK_MS;
    if (leftMs > 0) return;
    if (at < shots.length - 1) show(at + 1);
    else toggle();
  }, TICK_MS);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (event.key === " " && event.target.tagName !== "BUTTON") toggle();
    else if (step) show(at + step);
    else return;
    event.preventDefault();
  });
  root.addEventListener("close", () => { clearInterval(timer); root.remove(); });
  document.body.append(root);
  root.showModal();
  show(0);
  pause.focus();
}
