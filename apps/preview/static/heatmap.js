// A heatmap of a histogram: one line of cells for each bucket, the darker the more.
function heatmap(panel, body, board) {
  const { bounds, cells, step } = panel.heatmap;
  const used = cells.map(([, bucket]) => bucket);
  const low = Math.max(0, Math.min(...used) - 1), high = Math.max(...used) + 1;
  const most = Math.max(...cells.map(([, , count]) => count));
  const plot = element("div", "plot");
  body.append(plot);
  const size = plot.getBoundingClientRect();
  const upper = (bucket) => (bounds[bucket] === null ? "+Inf" : bounds[bucket] === undefined ? "" : format(panel.options.yAxis.unit, bounds[bucket]));
  new uPlot({
    width: size.width,
    height: size.height,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { range: () => [board.start, board.end] }, y: { range: () => [low, high] } },
    padding: [6, 8, 0, 0],
    axes: [
      { stroke: "#5f6670", grid: { show: false }, ticks: { show: false }, font: "11px sans-serif", size: 22, space: 70, values: (_, splits) => splits.map(clock) },
      { stroke: "#5f6670", grid: { stroke: "#eceef0", width: 1 }, ticks: { show: false }, font: "11px sans-serif", size: 62, splits: () => Array.from({ length: high - low + 1 }, (_, at) => low + at), values: (_, splits) => splits.map((split) => upper(split - 1)) },
    ],
    series: [{}, { show: true, stroke: "transparent" }],
    hooks: { draw: [(u) => {
      for (const [at, bucket, count] of cells) {
        const left = u.valToPos(at - step, "x", true), right = u.valToPos(at, "x", true);
        const above = u.valToPos(bucket + 1, "y", true), below = u.valToPos(bucket, "y", true);
        u.ctx.fillStyle = `hsl(${220 - 190 * Math.sqrt(count / most)} 75% ${78 - 38 * Math.sqrt(count / most)}%)`;
        u.ctx.fillRect(Math.max(left, u.bbox.left), above + 0.5, Math.max(1, right - Math.max(left, u.bbox.left)), below - above - 1);
      }
    }] },
  }, [[board.start, board.end], [low, high]], plot);
}
