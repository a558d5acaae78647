// Charts of a Prometheus endpoint: rate, errors, durations, in flight, denials.
import uPlot from "./uplot.min.js";
import { h, id } from "./dom.js";
import { count, duration, rate, time } from "./format.js";
import { moves, onKeys } from "./keys.js";
import { poll } from "./poll.js";

const HEIGHT = 170;
const DARK = matchMedia("(prefers-color-scheme: dark)");
const CHARTS = [
  { id: "rate", title: "Rate", unit: "calls a second", lines: [["rate", "calls", "--operation"]], text: rate },
  { id: "errors", title: "Errors and denied calls", unit: "a second", lines: [["errors", "errors", "--error"], ["denied", "denied", "--denied"]], text: rate },
  { id: "durations", title: "Duration", unit: "", lines: [["p50", "p50", "--line-1"], ["p95", "p95", "--line-2"], ["p99", "p99", "--line-3"]], text: duration },
  { id: "in-flight", title: "In flight", unit: "calls", lines: [["in_flight", "in flight", "--operation"]], text: (number) => (number === null ? "–" : count(number)) },
];
const COLOURS = ["--denied", "--line-1", "--line-2", "--line-3", "--warn"];

let found = null;
let operation = new URLSearchParams(location.search).get("operation") ?? ""; // "": all of them
const plots = new Map();

export function showCharts(main) {
  document.title = "Charts – storescope view";
  document.head.append(h("link", { rel: "stylesheet", href: "/static/uplot.min.css" }));
  main.replaceChildren(
    h("h1", { class: "unseen" }, "Charts"),
    h("p", { id: "source", class: "muted" }),
    h("div", { id: "operations" }),
    h("div", { class: "charts", id: "charts" }, [...CHARTS, { id: "denials", title: "Residency denials", unit: "a second, by code" }].map((chart) =>
      h("figure", { id: chart.id }, h("figcaption", {}, h("b", {}, chart.title), h("span", { class: "muted" }, ` ${chart.unit}`)), h("div", { class: "plot" })))));
  poll(() => "/api/charts", (answer, status) => {
    if (status === 200) show(answer);
    else main.replaceChildren(h("p", { class: "empty" }, answer.error));
  });
  onKeys(moves(go, () => names().length - 1));
  DARK.addEventListener("change", () => { clear(); draw(); });
  new ResizeObserver(() => { for (const [name, { plot }] of plots) plot.setSize({ width: width(name), height: HEIGHT }); }).observe(id("charts"));
}

const names = () => Object.keys(found.operations);

function show(answer) {
  found = answer;
  id("source").textContent = found.problem ?? `${found.url}, the ten seconds before each point`;
  id("source").classList.toggle("error", Boolean(found.problem));
  if (!(operation in found.operations)) operation = "";
  id("operations").replaceChildren(names().length ? table() : h("p", { class: "empty" }, found.problem ? "" : "No storage operation has been counted yet."));
  draw();
}

function table() {
  const last = (name, line) => found.operations[name][line].at(-1) ?? null;
  const heads = ["Calls", "Calls/s", "Errors/s", "Denied/s", "p50", "p95", "p99", "In flight"];
  return h("div", { class: "scrolls" }, h("table", { class: "operations" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Operation"), heads.map((text) => h("th", { class: "num", scope: "col" }, text)))),
    h("tbody", {}, names().map((name) => h("tr", { class: name === operation ? "chosen pick" : "pick", onclick: () => choose(name) },
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", "aria-pressed": String(name === operation) }, name || "all operations")),
      h("td", { class: "num" }, count(found.operations[name].calls)),
      ["rate", "errors", "denied"].map((line) => h("td", { class: `num ${line !== "rate" && last(name, line) ? "error" : ""}` }, rate(last(name, line)))),
      ["p50", "p95", "p99"].map((line) => h("td", { class: "num" }, duration(last(name, line)))),
      h("td", { class: "num" }, count(last(name, "in_flight") ?? 0)))))));
}

function choose(name) {
  operation = name;
  history.replaceState(null, "", name ? `/charts?${new URLSearchParams({ operation: name })}` : "/charts");
  show(found);
}

function go(step) {
  const all = names();
  if (all.length) choose(all[Math.min(all.length - 1, Math.max(0, step(all.indexOf(operation))))]);
}

function draw() {
  if (!found) return;
  const series = found.operations[operation];
  for (const chart of CHARTS) {
    put(chart.id, chart.lines.map(([, label, colour]) => ({ label, colour })), chart.text, chart.lines.map(([line]) => series?.[line] ?? []));
  }
  const codes = Object.keys(found.denials);
  put("denials", codes.map((code, at) => ({ label: code, colour: COLOURS[at % COLOURS.length] })), rate, Object.values(found.denials));
}

const clock = (seconds) => time(seconds * 1000).split(" ").at(-1).slice(0, 8);

const width = (name) => id(name).querySelector(".plot").clientWidth;

// Draws a chart, or, if its lines are the same as before, gives it its new values.
function put(name, lines, text, values) {
  const data = [found.times, ...values.map((line) => (line.length ? line : found.times.map(() => null)))];
  const key = lines.map(({ label }) => label).join("\n");
  const known = plots.get(name);
  if (known?.key === key) {
    known.plot.setData(data);
    return;
  }
  known?.plot.destroy();
  const colour = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const plot = new uPlot({
    width: width(name),
    height: HEIGHT,
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_, least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    padding: [8, 8, 0, 0],
    axes: [{ ...axis, space: 80, size: 30, values: (_, splits) => splits.map(clock) }, { ...axis, size: 62, space: 26, values: (_, splits) => splits.map((value) => text(value)) }],
    series: [{ label: "time", value: (_, at) => (at === null ? "–" : clock(at)) }, ...lines.map((line) => ({
      label: line.label, stroke: colour(line.colour), width: 1.5, points: { show: false }, value: (_, value) => text(value),
    }))],
  }, data, id(name).querySelector(".plot"));
  plots.set(name, { key, plot });
}

function clear() {
  for (const { plot } of plots.values()) plot.destroy();
  plots.clear();
}
