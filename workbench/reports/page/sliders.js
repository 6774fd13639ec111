"use strict";
// Sliders of silence and threshold over a grid of replays: what they show are scores of replays, nothing is estimated.

function sliderPoint() {
  return Number(byId("silence").value) * page.grid.thresholds.length + Number(byId("threshold").value);
}

/** A score for people. */
function scoreText(key, value) {
  if (value === null) return "nothing to measure";
  if (/_ms_/.test(key)) return `${value.toFixed(0)} ms`;
  if (/^(cutin|missed)/.test(key)) return `${(100 * value).toFixed(1)} %`;
  if (key.startsWith("loss_s")) return `${value.toFixed(2)} s`;
  return String(Math.round(value * 10) / 10);
}

function slide() {
  const { silences, thresholds, points, keys, own } = page.grid;
  const point = sliderPoint();
  const threshold = thresholds[Number(byId("threshold").value)];
  const decibels = 20 * Math.log10(threshold);
  const silence = silences[Number(byId("silence").value)];
  byId("silence-value").value = `${silence} ms`;
  byId("threshold-value").value = `${threshold.toPrecision(3)} (${decibels.toFixed(1)} dB)`;
  keys.forEach((key, number) => {
    for (const [which, index] of [["own", own], ["slid", point]]) {
      const cell = document.querySelector(`td[data-${which}="${key}"]`);
      cell.textContent = scoreText(key, points[index][number]);
      cell.dataset.value = String(points[index][number]);
    }
  });
  byId("slider-state").textContent = point === own ? "This is the run itself." : `Exact: replayed with stt_silence_ms = ${silence}, stt_silence_threshold = ${threshold}.`;
  for (const session of page.sessions) session.shownThreshold = point === own ? session.threshold : decibels;
  timeline.draw();
}

if (page.grid && byId("silence")) {
  byId("silence").value = String(Math.floor(page.grid.own / page.grid.thresholds.length));
  byId("threshold").value = String(page.grid.own % page.grid.thresholds.length);
  for (const id of ["silence", "threshold"]) byId(id).addEventListener("input", slide);
  slide();
}
