// Makes elements. Text from spans only ever becomes text nodes and plain attributes: nothing here parses markup.

// Controls, zero-width and direction marks: what would not show, or would make other text show differently.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

export function visible(text) {
  return String(text).replace(HIDDEN, (found) => {
    const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `\u27e8U+${code}\u27e9`;
  });
}

// h("a", {class: "x", href: "/"}, "text", child, [more]); null and undefined are left out.
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const child of children.flat(2)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

// A bar's place, in shares of its track.
export function place(element, left, width) {
  element.style.left = `${left * 100}%`;
  element.style.width = `${width * 100}%`;
  return element;
}

export const id = (name) => document.getElementById(name);

export function badge(kind, text) {
  return h("span", { class: `badge ${kind}` }, text);
}

// What is worth a mark on a span: how it ended, if not well, and whether it was tried or played before.
export function marks(span) {
  const attributes = span.attributes ?? {};
  const attempt = attributes["agent_storage.attempt"];
  return [
    span.outcome && span.outcome !== "ok" ? badge(known(span.outcome), span.outcome) : null,
    attempt !== undefined ? badge("attempt", `attempt ${attempt}`) : null,
    attributes["agent_storage.replayed"] ? badge("attempt", "replayed") : null,
  ];
}

const OUTCOMES = new Set(["ok", "not_found", "denied", "error", "cancelled"]);
export const known = (outcome) => (OUTCOMES.has(outcome) ? outcome : "other");

export const sessionUrl = (session) => `/session/${encodeURIComponent(session)}`;
