// What is no graph over time: a number, a gauge, bars, a table.
const last = (series) => series.points.at(-1)[1];

function stat(panel, body, board) {
  const { unit, thresholds } = panel.fieldConfig.defaults;
  const [series] = panel.series, value = last(series), color = threshold(thresholds.steps, value);
  const traced = panel.options.graphMode === "area" && series.points.length > 1;
  const box = element("div", traced ? "stat traced" : "stat"), number = element("b", "", format(unit, value));
  number.style.color = color;
  box.append(number);
  body.append(box);
  const room = box.getBoundingClientRect();
  number.style.fontSize = `${Math.min(room.height * (traced ? 0.46 : 0.42), room.width / (number.textContent.length * 0.62))}px`;
  if (!traced) return;
  const plot = element("div", "plot");
  box.append(plot);
  const size = plot.getBoundingClientRect();
  const { times, rows } = aligned([series], board);
  new uPlot({
    width: size.width, height: size.height, legend: { show: false }, cursor: { show: false }, axes: [{ show: false }, { show: false }], padding: [2, 0, 0, 0],
    scales: { x: { range: () => [board.start, board.end] }, y: { range: (_, least, most) => [0, most > 0 ? most * 1.05 : 1] } },
    series: [{}, { stroke: color, width: 1, fill: `${color}33`, points: { show: false } }],
  }, [times, rows[0]], plot);
}

function gauge(panel, body) {
  const { unit, thresholds, min, max } = panel.fieldConfig.defaults;
  const value = last(panel.series[0]), color = threshold(thresholds.steps, value);
  const share = Math.min(1, Math.max(0, (value - (min ?? 0)) / ((max ?? 1) - (min ?? 0))));
  const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg");
  svg.setAttribute("class", "gauge");
  svg.setAttribute("viewBox", "0 0 200 120");
  const arc = (part, stroke, width) => {
    const end = Math.PI * (1 - part), path = document.createElementNS(ns, "path");
    path.setAttribute("d", `M 20 105 A 80 80 0 0 1 ${100 + 80 * Math.cos(end)} ${105 - 80 * Math.sin(end)}`);
    for (const [name, text] of [["fill", "none"], ["stroke", stroke], ["stroke-width", width]]) path.setAttribute(name, text);
    svg.append(path);
  };
  arc(0.9999, "#e8eaec", 22);
  if (share > 0) arc(Math.min(share, 0.9999), color, 22);
  const text = document.createElementNS(ns, "text");
  for (const [name, to] of [["x", 100], ["y", 102], ["text-anchor", "middle"], ["font-size", 32], ["fill", color]]) text.setAttribute(name, to);
  text.textContent = format(unit, value);
  svg.append(text);
  body.append(svg);
}

function bargauge(panel, body) {
  const { unit, thresholds } = panel.fieldConfig.defaults;
  const box = element("div", "bars"), values = panel.series.map(last), most = Math.max(...values, 0);
  panel.series.forEach((series, at) => {
    const name = element("span", "name", series.name), track = element("div", "track"), bar = element("div", "bar");
    name.title = series.name;
    bar.style.width = `${(100 * values[at]) / (most || 1)}%`;
    bar.style.background = threshold(thresholds.steps, values[at]);
    track.append(bar);
    box.append(name, track, element("span", "value", format(unit, values[at])));
  });
  body.append(box);
}

function table(panel, body) {
  const { labels, columns, rows } = panel.table;
  const defaults = panel.fieldConfig.defaults;
  const property = (title, id) => panel.fieldConfig.overrides.find((each) => each.matcher.options === title)?.properties.find((each) => each.id === id)?.value;
  const made = element("table"), head = element("tr"), box = element("div", "table");
  head.append(...labels.map((name) => element("th", "", name)), ...columns.map((name) => element("th", "num", name)));
  made.append(head);
  for (const [names, values] of rows) {
    const row = element("tr");
    row.append(...names.map((name) => { const cell = element("td", "", name); cell.title = name; return cell; }));
    values.forEach((value, at) => {
      const cell = element("td", "num", format(property(columns[at], "unit") ?? defaults.unit, value));
      const steps = property(columns[at], "thresholds")?.steps;
      if (steps && value !== null) cell.style.color = threshold(steps, value);
      row.append(cell);
    });
    made.append(row);
  }
  box.append(made);
  body.append(box);
}
