// One trace as a waterfall: who called what, how long it took, and where nothing ran.
import { h, id, known, marks, place, sessionUrl } from "./dom.js";
import { count, duration, iso, plural, time } from "./format.js";
import { details } from "./details.js";
import { moves, onKeys } from "./keys.js";
import { poll } from "./poll.js";

const STEPS = [0, 0.25, 0.5, 0.75, 1];
const NARROW = matchMedia("(max-width: 1000px)");

let trace = null;
let shown = []; // the rows that no closed span hides
let chosen = new URLSearchParams(location.search).get("span"); // a span's id
let failsBelow = new Set(); // the ids of spans with a failed child
let pane = !NARROW.matches || chosen !== null; // on a narrow screen it lies over the waterfall
const closed = new Set();

export function showTrace(main, traceId) {
  main.classList.add("wide");
  poll(() => `/api/trace/${encodeURIComponent(traceId)}`, (found, status) => {
    if (status === 200) show(main, found);
    else if (!trace) main.replaceChildren(h("p", { class: "empty" }, found.error), h("p", { class: "empty" }, h("a", { href: "/" }, "All traces")));
  });
  onKeys({
    ...moves(go, () => shown.length - 1),
    ArrowLeft: () => fold(true),
    ArrowRight: () => fold(false),
    h: () => fold(true),
    l: () => fold(false),
    Enter: () => { pane = true; render(); id("details").focus(); },
    Escape: escape,
  });
}

function show(main, found) {
  trace = found;
  failsBelow = new Set(trace.waterfall.filter((span) => span.error).map((span) => span.parent_id));
  const name = trace.root ?? trace.first ?? "(no name)";
  document.title = `${name} – storescope view`;
  if (!id("rows")) frame(main);
  id("head").replaceChildren(...head(name));
  id("records").replaceChildren(...records());
  if (!trace.waterfall.some((span) => span.span_id === chosen)) chosen = trace.waterfall[0]?.span_id ?? null;
  render();
}

function frame(main) {
  main.replaceChildren(
    h("header", { id: "head", class: "head" }),
    h("div", { class: "split" },
      h("div", { class: "waterfall" },
        h("div", { id: "axis", class: "row axis", "aria-hidden": "true" }),
        h("div", { id: "rows", role: "treegrid", "aria-label": "Spans", tabindex: "0" }),
        h("p", { id: "left-out", class: "muted" }),
        h("section", { id: "records" }),
        h("p", { class: "keys" }, keys("j k", "move"), keys("← →", "fold"), keys("enter", "details"), keys("esc", "back"))),
      h("aside", { id: "details", class: "details", tabindex: "-1", "aria-label": "The chosen span" })));
}

const keys = (key, what) => h("span", {}, h("kbd", {}, key), ` ${what}`);

function head(name) {
  const fact = (label, ...value) => h("div", { class: "fact" }, h("dt", {}, label), h("dd", {}, ...value));
  return [
    h("p", { class: "crumb" }, h("a", { href: "/" }, "Traces"), " / ", h("span", { class: "id" }, trace.trace_id)),
    h("div", { class: "title" }, h("h1", {}, name),
      h("a", { class: "button", href: `/trace/${trace.trace_id}/export`, download: true }, "Export as HTML")),
    h("dl", { class: "facts" },
      fact("Began", h("time", { datetime: iso(trace.start), title: iso(trace.start) }, time(trace.start))),
      fact("Duration", duration(trace.duration)),
      fact("Spans", count(trace.spans)),
      fact("Errors", h("span", { class: trace.errors ? "error" : "" }, count(trace.errors))),
      trace.session && fact("Session", h("a", { href: sessionUrl(trace.session) }, trace.session), trace.sessions > 1 ? " and others" : ""),
      trace.tenant && fact("Tenant", trace.tenant),
      trace.region && fact("Region", trace.region),
      trace.service && fact("Service", trace.service)),
  ];
}

function render() {
  shown = [];
  let hidden = Infinity; // deeper than this lies below a closed span
  for (const span of trace.waterfall) {
    if (span.depth > hidden) continue;
    hidden = closed.has(span.span_id) ? span.depth : Infinity;
    shown.push(span);
  }
  if (!shown.some((span) => span.span_id === chosen)) chosen = shown[0]?.span_id ?? null;
  id("axis").replaceChildren(h("span", { class: "name" }, plural(trace.waterfall.length, "span")),
    h("span", { class: "track" }, STEPS.map((step) => tick(step))), h("span", { class: "took" }));
  id("rows").replaceChildren(...shown.map(row));
  const left = trace.spans - trace.waterfall.length;
  id("left-out").textContent = [
    left > 0 ? `${plural(left, "more span")} of this trace are not shown.` : "",
    trace.dropped ? `${plural(trace.dropped, "older span")} of this trace were dropped.` : "",
  ].join(" ").trim();
  mark();
}

function tick(step) {
  const element = h("span", { class: "tick" }, duration(step * trace.duration));
  element.style.left = `${step * 100}%`;
  return element;
}

function row(span) {
  const whole = trace.duration || 1;
  // An error that only came up from below leaves its mark, but not its colour.
  const own = span.outcome && span.outcome !== "ok" && (span.operation || !failsBelow.has(span.span_id));
  const kind = own ? known(span.outcome) : span.operation ? "operation" : (span.kind ?? "internal");
  const bar = place(h("span", { class: `bar ${kind}` }), span.offset / whole, span.duration / whole);
  const gaps = span.gaps.map(([at, ms]) =>
    place(h("span", { class: "gap", title: `${duration(ms)} in which nothing below ran` }), at / whole, ms / whole));
  const events = (span.events ?? []).map((event) =>
    place(h("span", { class: "event", title: event.name }), event.offset / whole, 0));
  const folds = span.children
    ? h("button", { type: "button", class: "fold", tabindex: "-1", "aria-label": closed.has(span.span_id) ? "Open" : "Close",
      onclick: (event) => { event.stopPropagation(); choose(span.span_id); fold(!closed.has(span.span_id)); } },
      closed.has(span.span_id) ? "▸" : "▾")
    : h("span", { class: "fold" });
  const name = h("span", { class: "name", role: "gridcell" }, folds, h("span", { class: "text", title: span.name }, span.name || "(no name)"), marks(span),
    span.orphan ? h("span", { class: "badge other", title: "its parent is not here" }, "parent missing") : null);
  name.style.paddingLeft = `${Math.min(span.depth, 24) * 14 + 4}px`;
  return h("div", { class: "row span", id: `s-${span.span_id}`, role: "row", "aria-level": span.depth + 1,
    "aria-expanded": span.children ? String(!closed.has(span.span_id)) : null,
    onclick: (event) => { pane = true; choose(span.span_id); event.currentTarget.scrollIntoView({ block: "nearest" }); } },
    name, h("span", { class: "track", role: "gridcell" }, bar, gaps, events), h("span", { class: "took", role: "gridcell" }, duration(span.duration)));
}

function choose(spanId) {
  chosen = spanId;
  history.replaceState(null, "", `?span=${encodeURIComponent(spanId)}`);
  mark();
}

function mark() {
  for (const element of document.querySelectorAll(".row.span")) {
    element.setAttribute("aria-selected", String(element.id === `s-${chosen}`));
  }
  if (chosen) id("rows").setAttribute("aria-activedescendant", `s-${chosen}`);
  const span = trace.waterfall.find((one) => one.span_id === chosen);
  const aside = id("details");
  aside.hidden = !pane || !span;
  if (span) details(aside, span, trace, { close: () => { pane = false; mark(); }, choose: reveal });
}

// Chooses a span that a closed one may hide.
function reveal(spanId) {
  if (!trace.waterfall.some((span) => span.span_id === spanId)) return;
  closed.clear();
  chosen = spanId;
  render();
  choose(spanId);
  id(`s-${spanId}`)?.scrollIntoView({ block: "nearest" });
}

function go(step) {
  if (!shown.length) return;
  const at = shown.findIndex((span) => span.span_id === chosen);
  choose(shown[Math.min(shown.length - 1, Math.max(0, step(at)))].span_id);
  id(`s-${chosen}`).scrollIntoView({ block: "nearest" });
}

function fold(close) {
  const span = shown.find((one) => one.span_id === chosen);
  if (!span) return;
  if (span.children && close !== closed.has(chosen)) {
    if (close) closed.add(chosen);
    else closed.delete(chosen);
    render();
  } else if (close && span.depth) { // to its parent, as trees do
    const above = shown.slice(0, shown.indexOf(span)).findLast((one) => one.depth < span.depth);
    if (above) choose(above.span_id);
  }
}

function escape() {
  if (id("details").contains(document.activeElement)) id("rows").focus();
  else if (NARROW.matches && pane) { pane = false; mark(); }
  else if (document.referrer.startsWith(location.origin)) history.back();
  else location.assign("/");
}

function records() {
  if (!trace.audit) return [];
  const cells = (record) => [record.ts?.slice(11, 23), record.phase, record.operation, record.actor, record.outcome, record.decision];
  const heads = ["Time (UTC)", "Phase", "Operation", "Actor", "Outcome", "Decision"];
  return [
    h("h2", {}, `Audit records (${count(trace.audit.length)})`),
    trace.audit.length
      ? h("div", { class: "scrolls" }, h("table", { class: "records" },
        h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, trace.audit.map((record) => h("tr", { onclick: () => reveal(record.span_id), class: "pick" },
          cells(record).map((text, at) => h("td", { class: at === 4 ? `outcome ${known(text ?? "ok")}` : "" }, text)))))))
      : h("p", { class: "muted" }, "The audit log holds no record of this trace."),
  ];
}
