// Graphs over time: lines or stacked areas, thresholds, annotations, exemplars, and a legend with calculations.
const PALETTE = ["#3f9142", "#c48a00", "#1f78a4", "#e0752d", "#a5281b", "#1f60c4", "#a352cc", "#5a4a9c", "#4b7a2e", "#8a6d00", "#2f6f78", "#9c4a2e", "#7a2f5c", "#466d91"];
const CALCS = { mean: ["Mean", (values) => values.reduce((a, b) => a + b, 0) / values.length], max: ["Max", (values) => Math.max(...values)], lastNotNull: ["Last *", (values) => values.at(-1)] };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// The times of the whole range, and each series' value at each of them: a gap where it has none.
function aligned(series, board) {
  const times = [];
  for (let at = board.start; at <= board.end + 0.001; at += board.step) times.push(at);
  const rows = series.map(({ points }) => {
    const row = new Array(times.length).fill(null);
    for (const [at, value] of points) row[Math.min(times.length - 1, Math.round((at - board.start) / board.step))] = value;
    return row;
  });
  return { times, rows };
}

// Each row on top of those before it, the topmost first, so that the fills of the lower ones lie over it.
function stacked(rows) {
  const sums = [];
  rows.forEach((row, at) => sums.push(row.map((value, i) => (value ?? 0) + (at ? sums[at - 1][i] ?? 0 : 0))));
  return sums.map((sum, at) => sum.map((value, i) => (rows.slice(0, at + 1).every((row) => row[i] === null) ? null : value)));
}

function graph(panel, body, board) {
  const config = panel.fieldConfig.defaults;
  const isStacked = config.custom.stacking.mode === "normal";
  const { times, rows } = aligned(panel.series, board);
  const shown = isStacked ? stacked(rows) : rows;
  const order = panel.series.map((_, at) => at);
  if (isStacked) order.reverse();
  const plot = element("div", "plot");
  body.append(plot, legend(panel, config.unit));
  const size = plot.getBoundingClientRect();
  const dots = panel.exemplars ?? [];
  const top = Math.max(...dots.map((dot) => dot.value), ...shown.flat().map((value) => value ?? 0), 0);
  new uPlot({
    width: size.width,
    height: size.height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: () => [board.start, board.end] }, y: { range: () => [0, top > 0 ? top * 1.08 : 1] } },
    padding: [6, 8, 0, 0],
    axes: [
      { stroke: "#5f6670", grid: { stroke: "#eceef0", width: 1 }, ticks: { show: false }, font: "11px sans-serif", size: 22, space: 70, values: (_, splits) => splits.map(clock) },
      { stroke: "#5f6670", grid: { stroke: "#eceef0", width: 1 }, ticks: { show: false }, font: "11px sans-serif", size: 72, space: 28, values: (_, splits) => splits.map((value) => format(config.unit, value)) },
    ],
    series: [{}, ...order.map((at) => ({ stroke: PALETTE[at % PALETTE.length], width: 1.2, fill: PALETTE[at % PALETTE.length] + (isStacked ? "55" : "14"), points: { show: rows[at].filter((value) => value !== null).length < 3 } }))],
    hooks: { draw: [(u) => { marks(u, board.annotations); if (config.custom.thresholdsStyle.mode !== "off") limits(u, config.thresholds.steps, top); diamonds(u, dots); }] },
  }, [times, ...order.map((at) => shown[at])], plot);
}

const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);

function vertical(u, at, color, dash) {
  const { ctx, bbox } = u;
  const x = Math.round(u.valToPos(at, "x", true));
  ctx.save();
  ctx.strokeStyle = color; ctx.fillStyle = color; ctx.setLineDash(dash); ctx.lineWidth = 1.5;
  ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
  ctx.beginPath(); ctx.moveTo(x - 5, bbox.top + bbox.height + 6); ctx.lineTo(x + 5, bbox.top + bbox.height + 6); ctx.lineTo(x, bbox.top + bbox.height); ctx.fill();
  ctx.restore();
}

const marks = (u, annotations) => annotations.forEach(({ at, color }) => vertical(u, at, NAMED[color], [4, 4]));

function limits(u, steps, top) {
  const { ctx, bbox } = u;
  for (const { value, color } of steps.slice(1)) {
    if (value > top * 1.08) continue;
    const y = Math.round(u.valToPos(value, "y", true));
    ctx.save();
    ctx.strokeStyle = NAMED[color]; ctx.setLineDash([8, 6]); ctx.lineWidth = 1.5;
    ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
    ctx.restore();
  }
}

function diamonds(u, dots) {
  const { ctx } = u;
  ctx.save();
  ctx.fillStyle = "#1f60c4aa";
  for (const { at, value } of dots) {
    const x = u.valToPos(at, "x", true), y = u.valToPos(value, "y", true), r = 3.5 * devicePixelRatio;
    ctx.beginPath(); ctx.moveTo(x, y - r); ctx.lineTo(x + r, y); ctx.lineTo(x, y + r); ctx.lineTo(x - r, y); ctx.fill();
  }
  ctx.restore();
}

function legend(panel, unit) {
  const box = element("div", "legend"), table = element("table"), head = element("tr");
  const calcs = panel.options.legend.calcs.map((name) => CALCS[name]);
  head.append(element("th", "", "Name"), ...calcs.map(([name]) => element("th", "", name)));
  table.append(head);
  const lines = panel.series.map(({ name, points }, at) => ({ name, at, values: points.map(([, value]) => value) }));
  lines.sort((a, b) => Math.max(...b.values) - Math.max(...a.values));
  for (const { name, at, values } of lines) {
    const row = element("tr"), first = element("td", "", ""), key = element("span", "key");
    key.style.background = PALETTE[at % PALETTE.length];
    first.append(key, name);
    first.title = name;
    row.append(first, ...calcs.map(([, calc]) => element("td", "", format(unit, calc(values)))));
    table.append(row);
  }
  box.append(table);
  return box;
}
