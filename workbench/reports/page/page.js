"use strict";
// The page as a whole: incidents are filtered, seen and heard, and rows lead into the timeline.

/** Number of a session by its name. */
function sessionNumber(name) {
  return page.sessions.findIndex((session) => session.name === name);
}

for (const button of document.querySelectorAll("button.jump")) {
  button.addEventListener("click", () => timeline.jump(sessionNumber(button.dataset.session), Number(button.dataset.at) * RATE));
}

// Small timelines are drawn when they come into sight: a run may have hundreds of incidents.
const cursors = new Map();

function drawMini(canvas) {
  const number = Number(canvas.dataset.incident);
  const incident = page.incidents[number];
  const extras = { cursor: cursors.get(number) ?? null };
  drawLanes(canvas, page.sessions[incident.session], incident.start, incident.end, SHORT, extras);
}

const seen = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) { seen.delete(entry.target); continue; }
    seen.add(entry.target);
    drawMini(entry.target);
  }
}, { rootMargin: "200px" });
document.querySelectorAll("canvas.mini").forEach((canvas) => watcher.observe(canvas));
window.addEventListener("beforeprint", () => document.querySelectorAll("canvas.mini").forEach(drawMini));
window.addEventListener("resize", () => seen.forEach(drawMini));
darkMode.addEventListener("change", () => seen.forEach(drawMini));

for (const button of document.querySelectorAll("button.hear")) {
  button.addEventListener("click", () => {
    const number = Number(button.dataset.incident);
    const incident = page.incidents[number];
    const canvas = document.querySelector(`canvas.mini[data-incident="${number}"]`);
    if (button.textContent === "■") { player.stop(); return; }
    const whole = page.sessions[incident.session].sound;
    const offset = incident.sound ? incident.start : 0;
    player.play(incident.sound || whole, offset, incident.start, incident.end, "both", (moment) => {
      button.textContent = moment === null ? "▶" : "■";
      if (moment === null) cursors.delete(number); else cursors.set(number, moment);
      canvas.dataset.cursor = moment === null ? "" : String(Math.round(moment));
      drawMini(canvas);
    });
  });
}

function filterIncidents() {
  const kind = byId("only-kind").value, session = byId("only-session").value;
  let count = 0;
  for (const item of document.querySelectorAll(".incident")) {
    const incident = page.incidents[Number(item.id.split("-")[1])];
    item.hidden = (kind !== "" && incident.kind !== kind) || (session !== "" && incident.session !== Number(session));
    count += item.hidden ? 0 : 1;
  }
  byId("shown-incidents").value = `${count} shown`;
}

if (byId("only-kind")) {
  byId("only-kind").addEventListener("change", filterIncidents);
  byId("only-session").addEventListener("change", filterIncidents);
}
document.documentElement.dataset.ready = "yes";
