// All that is known of the chosen span.
import { h, marks, sessionUrl } from "./dom.js";
import { count, duration, value } from "./format.js";

const FIRST = ["db.system.name", "db.operation.name", "db.collection.name", "gen_ai.conversation.id"];

export function details(aside, span, trace, { close, choose }) {
  const records = (trace.audit ?? []).filter((record) => record.span_id === span.span_id);
  const decision = span.residency ?? records.find((one) => one.residency)?.residency;
  aside.replaceChildren(...[
    h("div", { class: "title" }, h("h2", {}, span.name || "(no name)"), marks(span),
      h("button", { type: "button", class: "quiet close", onclick: close, "aria-label": "Close" }, "×")),
    facts(span, choose),
    decision?.effect === "allow" ? null : residency(decision),
    section("Attributes", span.attributes, ordered),
    events(span),
    links(span),
    records.length ? [h("h3", {}, "Audit records"), records.map(record)] : null,
    decision?.effect === "allow" ? residency(decision) : null,
    h("details", {}, h("summary", {}, "Resource"), pairs(Object.entries(span.resource ?? {}))),
  ].flat(3).filter(Boolean));
}

function facts(span, choose) {
  const gaps = span.gaps.length ? `, ${span.gaps.length === 1 ? "a gap" : `${count(span.gaps.length)} gaps`}, the longest ${duration(Math.max(...span.gaps.map(([, ms]) => ms)))}` : "";
  const parent = span.parent_id
    ? h("button", { type: "button", class: "link id", disabled: span.orphan, onclick: () => choose(span.parent_id) }, span.parent_id)
    : "none";
  return pairs([
    ["began after", duration(span.offset)],
    ["duration", duration(span.duration)],
    span.children ? ["nothing below ran", `${duration(span.own)}${gaps}`] : null,
    ["status", [span.status ?? "unset", span.attributes?.["error.type"], span.status_message].filter(Boolean).join(": ")],
    ["kind", span.kind ?? "unspecified"],
    ["span", h("span", { class: "id" }, span.span_id)],
    ["parent", parent],
    span.scope ? ["made by", span.scope] : null,
    span.dropped ? ["left out", `${count(span.dropped)} attributes, events or links`] : null,
  ].filter(Boolean));
}

function residency(decision) {
  if (!decision) return null;
  return h("section", { class: `note ${{ allow: "good", deny: "denied" }[decision.effect] ?? "not_found"}` },
    h("h3", {}, "Residency decision"),
    h("p", {}, decision.text),
    pairs([["rule", decision.rule], ["code", decision.code], ...Object.entries(decision.facts).map(([name, fact]) => [name.replace("_", " "), fact])].filter(([, text]) => text)));
}

function ordered(attributes) {
  const rank = ([key]) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
  return Object.entries(attributes).sort((one, other) => rank(one) - rank(other) || one[0].localeCompare(other[0]));
}

function section(title, attributes, order = Object.entries) {
  const entries = order(attributes ?? {});
  return entries.length ? [h("h3", {}, title), pairs(entries)] : null;
}

function pairs(entries) {
  return h("dl", { class: "pairs" }, entries.map(([key, thing]) => [
    h("dt", {}, broken(key)),
    h("dd", {}, key === "gen_ai.conversation.id" && typeof thing === "string"
      ? h("a", { href: sessionUrl(thing) }, thing)
      : thing instanceof Node ? thing : value(thing)),
  ]));
}

// A key may break behind a dot, not within a word.
function broken(key) {
  return key.split(/(?<=[._])/).flatMap((piece) => [piece, h("wbr")]);
}

function events(span) {
  if (!span.events?.length) return null;
  return [h("h3", {}, "Events"), span.events.map((event) => h("div", { class: "note" },
    h("p", {}, h("b", {}, event.name), h("span", { class: "muted" }, ` after ${duration(event.offset)}`)),
    pairs(Object.entries(event.attributes ?? {}))))];
}

function links(span) {
  if (!span.links?.length) return null;
  return [h("h3", {}, "Links"), span.links.map((link) => h("div", { class: "note" },
    h("p", {}, h("a", { class: "id", href: `/trace/${encodeURIComponent(link.trace_id)}?span=${encodeURIComponent(link.span_id)}` }, `${link.trace_id} ${link.span_id}`)),
    pairs(Object.entries(link.attributes ?? {}))))];
}

function record(found) {
  const left = ["span_id", "operation", "residency"];
  return h("details", { class: "note" },
    h("summary", {}, h("b", {}, found.phase), ` ${found.ts?.slice(11, 23) ?? ""} ${found.outcome ?? ""}`),
    pairs(Object.entries(found).filter(([key]) => !left.includes(key))));
}
