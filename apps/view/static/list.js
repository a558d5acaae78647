// The list of traces, and its filters, all of them in the address.
import { h, id, sessionUrl } from "./dom.js";
import { count, duration, iso, time } from "./format.js";
import { moves, onKeys } from "./keys.js";
import { poll } from "./poll.js";

const OUTCOMES = ["ok", "not_found", "denied", "error", "cancelled"];
const FIELDS = ["q", "session", "operation", "tenant", "backend", "outcome", "min_ms"];
const TYPING_MS = 200;

let rows = [];
let chosen = null; // a trace's id
let older = null; // once pages beyond the first were asked for: where the last one ended, as `next`
let look = () => {};

export function showList(main) {
  document.title = "Traces – storescope view";
  const form = filters();
  main.replaceChildren(
    h("h1", { class: "unseen" }, "Traces"),
    form,
    h("p", { id: "refused", class: "refused", role: "alert", hidden: true }),
    h("div", { id: "found", "aria-live": "off" }),
    h("p", { class: "keys" }, keys("/", "find"), keys("j k", "move"), keys("enter", "open"), keys("p", "pause")),
  );
  look = poll(address, show);
  poll(() => "/api/facets", suggest);
  onKeys({
    ...moves(go, () => rows.length - 1),
    Enter: () => open(),
    "/": () => form.elements.q.focus(),
    Escape: () => { chosen = null; mark(); },
  });
  window.addEventListener("popstate", () => { read(form); look(); });
}

const keys = (key, what) => h("span", {}, h("kbd", {}, key), ` ${what}`);

function filters() {
  const field = (name, label, attributes = {}) =>
    h("label", { class: `field ${name}` }, h("span", {}, label),
      h("input", { name, autocomplete: "off", spellcheck: "false", list: attributes.list && `of-${name}`, ...attributes }),
      attributes.list ? h("datalist", { id: `of-${name}` }) : null);
  const outcome = h("select", { name: "outcome" },
    h("option", { value: "" }, "any"), OUTCOMES.map((name) => h("option", { value: name }, name)));
  const form = h("form", { class: "filters", role: "search", "aria-label": "Filter traces", onsubmit: (event) => event.preventDefault() },
    field("q", "Free text", { type: "search", placeholder: "names and values" }),
    field("session", "Session"),
    field("operation", "Operation", { list: true, placeholder: "session.get" }),
    field("tenant", "Tenant", { list: true }),
    field("backend", "Backend", { list: true }),
    h("label", { class: "field outcome" }, h("span", {}, "Outcome"), outcome),
    field("min_ms", "At least, ms", { inputmode: "decimal", placeholder: "0" }),
    h("button", { type: "reset", class: "quiet" }, "Clear"),
    h("button", { type: "button", class: "toggle", "aria-expanded": "false", onclick: unfold }, "Filters"));
  let timer = 0;
  const changed = () => { write(form); look(); };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(changed, TYPING_MS); });
  form.addEventListener("reset", () => setTimeout(changed));
  read(form);
  form.classList.toggle("open", FIELDS.some((name) => name !== "q" && form.elements[name].value));
  return form;
}

// On a narrow screen only the free text stands there at first.
function unfold(event) {
  const button = event.currentTarget;
  const open = button.form.classList.toggle("open");
  button.setAttribute("aria-expanded", String(open));
}

function read(form) {
  const query = new URLSearchParams(location.search);
  for (const name of FIELDS) form.elements[name].value = query.get(name) ?? "";
}

function write(form) {
  const query = new URLSearchParams();
  for (const name of FIELDS) if (form.elements[name].value.trim()) query.set(name, form.elements[name].value.trim());
  history.replaceState(null, "", query.size ? `/?${query}` : "/");
  older = null;
}

const address = () => `/api/traces${location.search}`;

function show(found, status) {
  const refused = id("refused");
  refused.hidden = status === 200;
  if (status !== 200) {
    refused.textContent = found.error;
    return;
  }
  if (older === null) rows = found.traces;
  else join(found.traces);
  id("found").replaceChildren(rows.length ? table(older === null ? found.next : older.next) : empty(found.stored.spans));
  mark();
}

// Older pages stay while new traces come in above them.
function join(traces) {
  const fresh = new Set(traces.map((trace) => trace.trace_id));
  rows = [...traces, ...rows.filter((trace) => !fresh.has(trace.trace_id))].sort((one, other) => other.start - one.start);
}

function table(next) {
  const longest = Math.max(...rows.map((trace) => trace.duration));
  const heads = [["time", "Time"], ["root", "Root"], ["took num", "Duration"], ["spans num", "Spans"], ["errors num", "Errors"],
    ["session", "Session"], ["tenant", "Tenant"], ["region", "Region"]];
  return h("div", {},
    h("table", { class: "traces" },
      h("thead", {}, h("tr", {}, heads.map(([name, text]) => h("th", { class: name, scope: "col" }, text)))),
      h("tbody", { onfocusin: follow }, rows.map((trace) => row(trace, longest)))),
    next ? h("p", { class: "more" }, h("button", { type: "button", onclick: () => page(next) }, "Older traces")) : null);
}

function row(trace, longest) {
  const bar = h("i", { class: "share" });
  bar.style.width = `${longest ? Math.max(1, (100 * trace.duration) / longest) : 0}%`;
  const several = trace.sessions > 1 ? h("span", { class: "muted", title: "and others" }, " +") : null;
  return h("tr", { "data-trace": trace.trace_id, class: trace.errors ? "bad" : "" },
    h("td", { class: "time", title: iso(trace.start) }, time(trace.start)),
    h("td", { class: "root" }, h("a", { class: "whole", href: `/trace/${trace.trace_id}` },
      trace.root ?? trace.first ?? "(no name)"),
      trace.root === null ? h("span", { class: "muted", title: "its root span is not here" }, " …") : null,
      trace.service ? h("span", { class: "muted service" }, trace.service) : null),
    h("td", { class: "took num" }, h("span", { class: "measure" }, duration(trace.duration), bar)),
    h("td", { class: "spans num" }, count(trace.spans)),
    h("td", { class: "errors num" }, trace.errors ? h("b", { class: "error" }, count(trace.errors)) : h("span", { class: "muted" }, "0")),
    h("td", { class: "session" }, trace.session ? [h("a", { href: sessionUrl(trace.session), title: trace.session }, trace.session), several] : null),
    h("td", { class: "tenant" }, trace.tenant),
    h("td", { class: "region" }, trace.region));
}

function empty(spans) {
  if (spans) return h("p", { class: "empty" }, "No trace fits these filters.");
  const origin = location.origin;
  return h("div", { class: "empty" },
    h("h2", {}, "Waiting for the first trace"),
    h("p", {}, "Point what exports OpenTelemetry traces here, and they show up by themselves:"),
    h("pre", {}, `OTEL_EXPORTER_OTLP_ENDPOINT=${origin}\nOTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`),
    h("p", {}, "Or see what there is to see: ", h("code", {}, "storescope demo --view")));
}

async function page(next) {
  const query = new URLSearchParams(location.search);
  query.set("before", next);
  const answer = await fetch(`/api/traces?${query}`);
  if (!answer.ok) return;
  const found = await answer.json();
  older = { next: found.next };
  join(found.traces);
  id("found").replaceChildren(table(found.next));
  mark();
}

function suggest(found) {
  for (const [name, values] of Object.entries(found)) {
    id(`of-${name}`)?.replaceChildren(...values.map((value) => h("option", { value })));
  }
}

function go(step) {
  if (!rows.length) return;
  const at = rows.findIndex((trace) => trace.trace_id === chosen);
  chosen = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : step(at)))].trace_id;
  const marked = mark();
  marked.scrollIntoView({ block: "nearest" });
  marked.querySelector("a.whole").focus({ preventScroll: true });
}

// Marks the chosen row. New rows take the focus with them that the old ones had.
function mark() {
  let marked = null;
  for (const element of document.querySelectorAll("tr[data-trace]")) {
    const is = element.dataset.trace === chosen;
    element.classList.toggle("chosen", is);
    if (is) marked = element;
  }
  if (marked && document.activeElement === document.body) marked.querySelector("a.whole").focus({ preventScroll: true });
  return marked;
}

function follow(event) {
  chosen = event.target.closest("tr[data-trace]")?.dataset.trace ?? chosen;
  mark();
}

function open() {
  if (chosen) location.assign(`/trace/${chosen}`);
}
