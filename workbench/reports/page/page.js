"use strict";
// The page as a whole: incidents are filtered, seen and heard, and rows lead into the timeline.

/** Number of a session by its name. */
function sessionNumber(name) {
  return page.sessions.findIndex((session) => session.name === name);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.jump");
  if (button) timeline.jump(sessionNumber(button.dataset.session), Number(button.dataset.at) * RATE);
});

/** A table of the page, built when it is first opened: an hour has thousands of rows. */
async function fillTable(details) {
  const place = details.querySelector(".scroll");
  if (!place || place.firstChild) return;
  const { columns, rows } = await unpack(details.id);
  if (place.firstChild) return;
  const table = document.createElement("table");
  table.dataset.table = details.id.slice("table-".length);
  const head = table.createTHead().insertRow();
  for (const [name, words] of Object.entries(columns)) {
    const cell = document.createElement("th");
    Object.assign(cell, { scope: "col", title: words, textContent: name });
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const content of row) {
      const cell = line.insertCell();
      if (typeof content === "string") { cell.textContent = content; continue; }
      const button = document.createElement("button");
      Object.assign(button, { type: "button", className: "jump", textContent: content[0] });
      button.dataset.session = row[0];
      button.dataset.at = String(content[1]);
      cell.append(button);
    }
  }
  place.append(table);
}

for (const details of document.querySelectorAll("details[id^=table-]")) {
  details.addEventListener("toggle", () => { if (details.open) fillTable(details); });
}

// Small timelines are drawn when they come into sight: a run may have hundreds of incidents.
const cursors = new Map();

async function drawMini(canvas) {
  const number = Number(canvas.dataset.incident);
  const incident = page.incidents[number];
  const extras = { cursor: cursors.get(number) ?? null };
  drawLanes(canvas, await loadSession(incident.session), incident.start, incident.end, SHORT, extras);
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
    player.play(incident.sound, incident.offset, incident.start, incident.end, "both", (moment) => {
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

(async () => {
  await timeline?.ready;
  performance.mark("drawn");
  if (document.readyState === "loading") await new Promise((done) => document.addEventListener("DOMContentLoaded", done));
  document.documentElement.dataset.ready = "yes";
})();
