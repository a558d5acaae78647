// Numbers as Grafana writes them, for the units that the dashboards use.
const SHORT = ["", " K", " Mil", " Bil", " Tri"];
const BYTES = [" B", " KiB", " MiB", " GiB", " TiB"];
const digits = (value) => (value === 0 ? "0" : Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

function scaled(value, by, names) {
  let at = 0;
  while (Math.abs(value) >= by && at < names.length - 1) { value /= by; at++; }
  return digits(value) + names[at];
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${digits(value * 1e6)} µs`;
  if (size < 1) return `${digits(value * 1e3)} ms`;
  if (size < 60) return `${digits(value)} s`;
  if (size < 3600) return `${digits(value / 60)} min`;
  if (size < 86400) return `${digits(value / 3600)} hours`;
  return `${digits(value / 86400)} days`;
}

const UNITS = {
  s: seconds,
  ops: (value) => `${scaled(value, 1000, SHORT)} ops/s`,
  wps: (value) => `${scaled(value, 1000, SHORT)} wr/s`,
  percentunit: (value) => `${digits(value * 100)}%`,
  bytes: (value) => scaled(value, 1024, BYTES),
  Bps: (value) => `${scaled(value, 1024, BYTES)}/s`,
  short: (value) => scaled(value, 1000, SHORT),
};

const format = (unit, value) => (value === null || value === undefined ? "" : UNITS[unit](value));

const NAMED = { green: "#1a7f4b", orange: "#d9730d", red: "#c4162a", blue: "#1f60c4", purple: "#8f3bb8", text: "#1f2328" };

// The colour of the last step that a value has reached.
function threshold(steps, value) {
  let color = steps[0].color;
  for (const step of steps.slice(1)) if (value >= step.value) color = step.color;
  return NAMED[color] ?? color;
}
