// The storage history of one session: every operation on it, in order, whatever trace it was part of.
import { h, id, known, marks } from "./dom.js";
import { count, duration, iso, plural, time } from "./format.js";
import { moves, onKeys } from "./keys.js";
import { poll } from "./poll.js";

let operations = [];
let chosen = -1;

export function showSession(main, session) {
  document.title = `${session} – storescope view`;
  main.replaceChildren(
    h("header", { class: "head" },
      h("p", { class: "crumb" }, h("a", { href: "/" }, "Traces"), " / session"),
      h("div", { class: "title" }, h("h1", { class: "id" }, session),
        h("a", { class: "button", href: `/?${new URLSearchParams({ session })}` }, "Its traces")),
      h("p", { id: "sum", class: "muted" })),
    h("div", { id: "history" }));
  poll(() => `/api/session?${new URLSearchParams({ id: session })}`, show);
  onKeys({
    ...moves(go, () => operations.length - 1),
    Enter: () => chosen >= 0 && location.assign(address(operations[chosen])),
    Escape: () => (document.referrer.startsWith(location.origin) ? history.back() : location.assign("/")),
  });
}

const address = (operation) => `/trace/${operation.trace_id}?span=${operation.span_id}`;

function show(found, status) {
  if (status !== 200) {
    id("history").replaceChildren(h("p", { class: "empty" }, found.error));
    return;
  }
  operations = found.operations;
  const traces = new Set(operations.map((operation) => operation.trace_id)).size;
  const span = operations.length ? duration(operations.at(-1).start + operations.at(-1).duration - operations[0].start) : "";
  const bad = operations.filter((operation) => operation.error).length;
  id("sum").textContent = operations.length
    ? `${plural(operations.length, "operation")} in ${plural(traces, "trace")} over ${span}; ${bad ? plural(bad, "failure") : "no failure"}${found.more ? "; older ones are not shown" : ""}`
    : "";
  id("history").replaceChildren(operations.length ? table() : h("p", { class: "empty" }, "No storage operation on this session has arrived, or all were dropped."));
  mark();
}

function table() {
  const heads = [["time", "Time"], ["since num", "Since"], ["operation", "Operation"], ["took num", "Duration"], ["rows num", "Rows"],
    ["backend", "Backend"], ["region", "Region"], ["trace", "Trace"]];
  return h("table", { class: "history" },
    h("thead", {}, h("tr", {}, heads.map(([name, text]) => h("th", { class: name, scope: "col" }, text)))),
    h("tbody", {}, operations.map(row)));
}

function row(operation, at) {
  const before = operations[at - 1];
  const attributes = operation.attributes;
  const isNew = !before || before.trace_id !== operation.trace_id;
  return h("tr", { class: isNew ? "first" : "", "data-at": at },
    h("td", { class: "time", title: iso(operation.start) }, time(operation.start)),
    h("td", { class: "since num muted" }, before ? `+${duration(operation.start - before.start)}` : ""),
    h("td", { class: "operation" }, h("span", { class: `dot ${known(operation.outcome ?? "ok")}`, "aria-hidden": "true" }),
      h("a", { class: "whole", href: address(operation) }, operation.operation), marks(operation),
      operation.by_trace ? h("span", { class: "muted", title: "The call names no session; its trace touches this one only" }, " by its trace") : null),
    h("td", { class: "took num" }, duration(operation.duration)),
    h("td", { class: "rows num" }, attributes["db.response.returned_rows"] === undefined ? null : count(attributes["db.response.returned_rows"])),
    h("td", { class: "backend" }, attributes["agent_storage.backend.name"] ?? attributes["db.system.name"]),
    h("td", { class: "region" }, attributes["agent_storage.backend.region"]),
    h("td", { class: "trace id" }, isNew ? operation.trace_id.slice(0, 8) : ""));
}

function go(step) {
  if (!operations.length) return;
  chosen = Math.min(operations.length - 1, Math.max(0, step(chosen)));
  const marked = mark();
  marked.scrollIntoView({ block: "nearest" });
  marked.querySelector("a.whole").focus({ preventScroll: true });
}

function mark() {
  let marked = null;
  for (const element of document.querySelectorAll("tr[data-at]")) {
    const is = Number(element.dataset.at) === chosen;
    element.classList.toggle("chosen", is);
    if (is) marked = element;
  }
  return marked;
}
