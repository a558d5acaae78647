// Lays the rows out on Grafana's grid of 24 columns and draws every panel.
const DRAW = { timeseries: graph, heatmap, stat, gauge, bargauge, table };

const isEmpty = (panel) => (panel.table ? !panel.table.rows.length : panel.heatmap ? !panel.heatmap.cells.length : !panel.series.length);

function show(panel, grid, top, board) {
  const box = element("section", "panel"), body = element("div", "body"), { x, y, w, h } = panel.gridPos;
  box.dataset.id = panel.id;
  box.dataset.type = panel.type;
  box.title = panel.description.replaceAll("**", "");
  box.style.gridColumn = `${x + 1} / span ${w}`;
  box.style.gridRow = `${y - top + 1} / span ${h}`;
  box.append(element("h2", "", panel.title), body);
  grid.append(box);
  if (isEmpty(panel)) body.append(element("p", "empty", panel.fieldConfig.defaults.noValue));
  else DRAW[panel.type](panel, body, board);
}

const board = JSON.parse(document.getElementById("dashboard").textContent);
for (const row of board.rows) {
  const box = element("details"), grid = element("div", "grid");
  box.open = true;
  box.append(element("summary", "", row.title), grid);
  document.querySelector("main").append(box);
  const top = Math.min(...row.panels.map((panel) => panel.gridPos.y));
  for (const panel of row.panels) show(panel, grid, top, board);
}
document.body.dataset.drawn = "yes";
