"use strict";
// Sliders over replays that were made beforehand: of silence and threshold in the page of a run, of single knobs in that
// of a study.

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
  const { silences, thresholds, points, keys, own, exact } = page.grid;
  const point = sliderPoint();
  const threshold = thresholds[Number(byId("threshold").value)];
  const decibels = 20 * Math.log10(threshold);
  const silence = silences[Number(byId("silence").value)];
  byId("silence-value").value = `${silence} ms`;
  byId("silence").setAttribute("aria-valuetext", `${silence} ms`);
  byId("threshold").setAttribute("aria-valuetext", threshold.toPrecision(3));
  byId("threshold-value").value = `${threshold.toPrecision(3)} (${decibels.toFixed(1)} dB)`;
  keys.forEach((key, number) => {
    for (const [which, index] of [["own", own], ["slid", point]]) {
      const cell = document.querySelector(`td[data-${which}="${key}"]`);
      cell.textContent = scoreText(key, points[index][number]);
      cell.dataset.value = String(points[index][number]);
    }
  });
  const setting = `stt_silence_ms = ${silence}, stt_silence_threshold = ${threshold}`;
  const state = byId("slider-state");
  state.className = point === own || exact ? "exact" : "inexact";
  if (point === own) state.textContent = "This is the run itself.";
  else state.textContent = exact ? `Exact: replayed with ${setting}.` : `Estimate: replayed with a stand-in for the STT, ${setting}. Exact by a replay with this setting.`;
  for (const session of page.sessions) session.shownThreshold = point === own ? session.threshold : decibels;
  timeline.draw();
}

if (page.grid && byId("silence")) {
  byId("silence").value = String(Math.floor(page.grid.own / page.grid.thresholds.length));
  byId("threshold").value = String(page.grid.own % page.grid.thresholds.length);
  for (const id of ["silence", "threshold"]) byId(id).addEventListener("input", slide);
  slide();
}

/** Scores at a value of one knob, all others as recommended. */
function slideSweep(slider) {
  const { names, points, scores, exact, now } = page.sweeps[Number(slider.dataset.sweep)];
  const at = Number(slider.value);
  const place = slider.closest(".sweep");
  place.querySelector("output").value = names[at];
  slider.setAttribute("aria-valuetext", names[at]);
  scores.forEach((key, number) => {
    const cell = place.querySelector(`td[data-slid="${key}"]`);
    cell.textContent = scoreText(key, points[at][number]);
    cell.dataset.value = String(points[at][number]);
  });
  const state = place.querySelector(".state");
  state.className = `state ${exact ? "exact" : "inexact"}`;
  state.textContent = `${at === now ? "The recommended value. " : ""}${exact ? "Exact: replayed." : "Estimate: replayed with a stand-in for the STT. Exact by workbench replay with this setting."}`;
}

for (const slider of document.querySelectorAll("input[data-sweep]")) {
  slider.addEventListener("input", () => slideSweep(slider));
  slideSweep(slider);
}
