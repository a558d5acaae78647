// Finds out by the address which page is meant, and keeps the bar at the top.
import { h, id } from "./dom.js";
import { count, plural, time } from "./format.js";
import { onKeys } from "./keys.js";
import { isLive, poll, setLive } from "./poll.js";
import { showList } from "./list.js";
import { showSession } from "./session.js";
import { showTrace } from "./trace.js";

const VERDICTS = { intact: "good", unsealed: "fair", pending: "plain", unverified: "plain" };

function showStatus(status) {
  if (status.spans === undefined) return;
  id("counts").textContent = `${plural(status.spans, "span")} in ${plural(status.traces, "trace")}`;
  id("nav-charts").hidden = !status.charts;
  const chip = id("audit-state");
  chip.hidden = !status.audit;
  if (!status.audit) return;
  const { verdict, summary, checked, problem, records, folder } = status.audit;
  chip.className = `chip ${problem ? "bad" : (VERDICTS[verdict] ?? "bad")}`;
  chip.textContent = `audit: ${problem ? "problem" : verdict}`;
  const said = [["log", folder], ["verdict", verdict], ["verifier", summary], ["checked", checked ? time(checked) : "not yet"],
    ["records", `${count(records)} name a trace`], problem ? ["problem", problem] : null];
  id("audit-panel").replaceChildren(h("h2", {}, "Audit log"),
    h("dl", { class: "pairs" }, said.filter(Boolean).map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])));
}

function toggleLive() {
  setLive(!isLive());
  const button = id("live");
  button.setAttribute("aria-pressed", String(isLive()));
  button.textContent = isLive() ? "Live" : "Paused";
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const main = id("main");
const path = location.pathname;
if (path.startsWith("/trace/")) showTrace(main, path.split("/")[2]);
else if (path.startsWith("/session/")) showSession(main, decoded(path.slice("/session/".length)));
else if (path === "/charts") import("./charts.js").then(({ showCharts }) => showCharts(main));
else showList(main);
id(path === "/charts" ? "nav-charts" : "nav-traces").setAttribute("aria-current", path === "/" || path === "/charts" ? "page" : "true");
id("live").addEventListener("click", toggleLive);
onKeys({ p: toggleLive });
poll(() => "/api/status", showStatus);
