// Asks again and again, by the tag of the last answer, so that what has not changed is neither made nor sent again.
import { id } from "./dom.js";

const EVERY_MS = 2000;
let live = true;
const waiting = new Set();

export function setLive(on) {
  live = on;
  if (live) for (const look of waiting) look();
}

export const isLive = () => live;

// Calls `show` with each new answer of `address()`. Returns a function that asks at once.
export function poll(address, show) {
  let timer = 0;
  let turn = 0;
  let seen = { url: "", tag: "" };

  async function look() {
    clearTimeout(timer);
    const mine = ++turn;
    const url = address();
    const began = performance.now();
    try {
      const headers = seen.url === url && seen.tag ? { "If-None-Match": seen.tag } : {};
      const answer = await fetch(url, { headers, cache: "no-store" });
      if (mine !== turn) return; // asked again meanwhile
      if (answer.status === 304) seen = { url, tag: answer.headers.get("ETag") };
      else {
        const found = await answer.json();
        if (mine !== turn) return;
        seen = { url, tag: answer.ok ? answer.headers.get("ETag") : "" };
        show(found, answer.status);
      }
      tell("");
    } catch {
      if (mine !== turn) return;
      tell("The viewer does not answer. It may have been ended; this page goes on asking.");
    }
    // An answer that takes long is asked for less often.
    timer = setTimeout(later, Math.max(EVERY_MS, 5 * (performance.now() - began)));
  }

  function later() {
    if (live && !document.hidden) look();
  }

  waiting.add(later);
  document.addEventListener("visibilitychange", later);
  look();
  return look;
}

function tell(problem) {
  const element = id("problem");
  element.textContent = problem;
  element.hidden = !problem;
}
