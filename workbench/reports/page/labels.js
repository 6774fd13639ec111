"use strict";
// Labels mended on the timeline, and downloaded as a file for `workbench label SESSION --import FILE`.

const KINDS = ["speech", "backchannel", "noise", "background", "note"];
const GRAB = 6;   // pixels around an edge at which it can be dragged

/** Seconds with six decimals, as label files hold them: finer than a sample, so that samples come back as they were. */
function stamp(samples) {
  // Whole numbers all the way: samples × 10^6 is below 2^53 for a session of a day.
  const micro = Math.round((samples * 1e6) / RATE);
  return `${Math.floor(micro / 1e6)}.${String(micro % 1e6).padStart(6, "0")}`;
}

/** A cell of a CSV file, quoted where it must be, as Python's csv module does. */
function csvCell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Labels in the order of their file: start, end, kind, turn, text. */
function ordered(labels) {
  const key = ([start, end, kind, turn, text]) => [start, end, kind, turn ?? 0, text];
  return [...labels].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const at = x.findIndex((value, i) => value !== y[i]);
    return at < 0 ? 0 : x[at] < y[at] ? -1 : 1;
  });
}

/** labels.csv as text. */
function labelsCsv(labels) {
  const rows = ordered(labels).map(([start, end, kind, turn, text]) => [stamp(start), stamp(end), kind, turn ?? "", csvCell(text)].join(","));
  return ["start,end,kind,turn,text", ...rows, ""].join("\n");
}

/** A label track for Audacity, as `workbench label --export` writes it. */
function labelsAudacity(labels) {
  return ordered(labels).map(([start, end, kind, turn, text]) => {
    const name = turn === null ? kind : `${kind}#${turn}`;
    return `${stamp(start)}\t${stamp(end)}\t${text ? `${name}: ${text}` : name}\n`;
  }).join("");
}

/** What is wrong with the labels, in a line, or an empty text: the rules of docs/session.md. */
function labelProblem(labels, samples) {
  let last = null;
  const closed = new Set();
  for (const [start, end, kind, turn] of ordered(labels)) {
    const at = `The label at ${stamp(start)} s`;
    if (end < start || (end === start && kind !== "note")) return `${at} ends before it starts.`;
    if (end > samples) return `${at} ends after the session.`;
    if (kind !== "speech") continue;
    if (last && start < last.end) return `${at} overlaps the speech before it.`;
    if (last && turn !== null && turn !== last.turn && closed.has(turn)) return `Turn ${turn} goes on after another turn began.`;
    if (last && last.turn !== turn) closed.add(last.turn);
    last = { end, turn };
  }
  return "";
}

class LabelEditor {
  constructor(view) {
    this.view = view;
    this.changed = new Set();
    const form = byId("label-form");
    byId("edit").addEventListener("toggle", () => { if (!byId("edit").open) this.choose(null); });
    form.addEventListener("change", () => this._apply());
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("label-list").addEventListener("change", (event) => this.choose(event.target.value === "" ? null : Number(event.target.value), true));
    byId("label-add").addEventListener("click", () => this._add());
    byId("label-delete").addEventListener("click", () => this._delete());
    byId("label-csv").addEventListener("click", () => this._download("csv", labelsCsv(this.labels)));
    byId("label-txt").addEventListener("click", () => this._download("txt", labelsAudacity(this.labels)));
    view.canvas.addEventListener("session", () => this.choose(null));
    view.edited = (event) => byId("edit").open && this._grab(event);
  }

  get labels() {
    return this.view.session.labels;
  }

  /** Choose a label by its number, or none; `look` brings it into view. */
  choose(number, look = false) {
    this.view.chosen = number;
    const label = number === null ? null : this.labels[number];
    byId("label-fields").disabled = label === null;
    const list = byId("label-list");
    list.replaceChildren(new Option("none", ""), ...this.labels.map(([start, , kind, turn, text], i) => new Option(`${clock(start)} ${kind}${turn ? ` ${turn}` : ""} ${text}`, String(i))));
    list.value = number === null ? "" : String(number);
    const [start, end, kind, turn, text] = label || [0, 0, "speech", null, ""];
    byId("label-start").value = label ? stamp(start) : "";
    byId("label-end").value = label ? stamp(end) : "";
    byId("label-kind").value = kind;
    byId("label-turn").value = turn ?? "";
    byId("label-turn").disabled = kind !== "speech";
    byId("label-text").value = text;
    if (label && look) this.view.look(start - 2 * RATE, Math.max(end, start) + 2 * RATE); else this.view.draw();
    this._judge();
  }

  /** Keep what the form says of the chosen label. */
  _apply() {
    const number = this.view.chosen;
    if (number === null) return;
    const kind = byId("label-kind").value;
    const turn = byId("label-turn").value;
    const text = byId("label-text").value.replace(/[\x00-\x1f\x7f-\x9f]/g, " ").trim().replace(/\s+/g, " ");
    const moment = (id, now) => {
      const seconds = Number(byId(id).value);
      return byId(id).value === "" || !Number.isFinite(seconds) ? now : Math.max(0, Math.round(seconds * RATE));
    };
    const [start, end] = this.labels[number];
    this._put(number, [moment("label-start", start), moment("label-end", end), kind, kind === "speech" && turn ? Number(turn) : null, text]);
  }

  _put(number, label) {
    this.labels[number] = label;
    this.changed.add(this.view.number);
    this.choose(number);
  }

  _add() {
    const start = Math.round(this.view.cursor);
    const end = Math.min(this.view.session.recorded, start + RATE / 2);
    const turns = this.labels.map(([, , , turn]) => turn ?? 0);
    this.labels.push([start, end, "speech", Math.max(0, ...turns) + 1, ""]);
    this.changed.add(this.view.number);
    this.choose(this.labels.length - 1, true);
  }

  _delete() {
    if (this.view.chosen === null) return;
    this.labels.splice(this.view.chosen, 1);
    this.changed.add(this.view.number);
    this.choose(null);
  }

  _judge() {
    const problem = labelProblem(this.labels, this.view.session.recorded);
    const name = this.view.session.name;
    const edited = this.changed.has(this.view.number) ? "Changed here and not yet saved: download the file. " : "";
    byId("label-state").textContent = problem || `${edited}${this.labels.length} labels. Then: workbench label ${name} --import FILE --replace`;
    for (const id of ["label-csv", "label-txt"]) byId(id).disabled = Boolean(problem);
  }

  /** The pointer in the lane of labels chooses a label, and drags an edge or all of it. */
  _grab(event) {
    const { scale, tops } = this.view.shown;
    const lane = tops.labels;
    if (event.offsetY < lane.top || event.offsetY > lane.top + lane.height) return false;
    const at = scale.moment(event.offsetX);
    const near = (moment) => Math.abs(scale.x(moment) - event.offsetX) <= GRAB;
    const own = this.view.chosen === null ? [] : [this.view.chosen];
    const order = [...own, ...this.labels.keys()];
    const found = order.find((i) => near(this.labels[i][0]) || near(this.labels[i][1]) || (this.labels[i][0] <= at && at < this.labels[i][1]));
    if (found === undefined) return false;
    this.choose(found);
    const before = [...this.labels[found]];
    const edge = near(before[1]) ? "end" : near(before[0]) ? "start" : "both";
    const canvas = this.view.canvas;
    canvas.setPointerCapture(event.pointerId);
    const move = (next) => {
      const by = Math.round(scale.moment(next.offsetX) - at);
      let [start, end] = before;
      if (edge !== "end") start = Math.max(0, start + by);
      if (edge !== "start") end = Math.min(this.view.session.recorded, end + by);
      if (edge === "start") start = Math.min(start, end - 1);
      if (edge === "end") end = Math.max(end, start + 1);
      if (edge === "both" && end - start !== before[1] - before[0]) return;
      if (by) this._put(found, [start, end, ...before.slice(2)]);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", () => canvas.removeEventListener("pointermove", move), { once: true });
    return true;
  }

  _download(suffix, text) {
    const link = document.createElement("a");
    const url = URL.createObjectURL(new Blob([text], { type: suffix === "csv" ? "text/csv" : "text/plain" }));
    link.href = url;
    link.download = suffix === "csv" ? "labels.csv" : "labels.txt";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }
}

const labelEditor = timeline && byId("label-form") ? new LabelEditor(timeline) : null;
