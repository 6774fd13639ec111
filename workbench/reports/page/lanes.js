"use strict";
// Drawing of a session: lanes one below the other over a stretch of time. Nothing here knows of mouse or keyboard.

const PEAK = RATE / 50;      // samples that a byte of a waveform stands for
const FRAME = 1920;          // samples of a frame
const FLOOR = -80;           // dB of full scale of a level byte 0
const MARGIN = 56;           // pixels at the left for the lanes' names

/** Lanes in order: name and height in pixels. */
const LONG = [
  ["marks", 34], ["mic", 62], ["level", 66], ["pauses", 40], ["labels", 30], ["listener", 18], ["words", 22], ["agent", 62],
  ["chunks", 24], ["buffer", 44], ["time", 22],
];
const SHORT = [["marks", 14], ["mic", 38], ["labels", 16], ["listener", 8], ["agent", 34], ["time", 16]];

/** A stretch of time on a canvas: moments to pixels and back. */
class Scale {
  constructor(from, to, left, right) {
    Object.assign(this, { from, to, left, right });
  }
  x(moment) {
    return this.left + ((moment - this.from) / (this.to - this.from)) * (this.right - this.left);
  }
  moment(x) {
    return this.from + ((x - this.left) / (this.right - this.left)) * (this.to - this.from);
  }
}

/**
 * Draw lanes.
 * @param {HTMLCanvasElement} canvas
 * @param {object} session As in the page's data.
 * @param {number} from First moment shown.
 * @param {number} to First moment not shown.
 * @param {Array} lanes LONG or SHORT.
 * @param {object} extras `cursor` (moment or null), `chosen` (number of the label that is edited).
 * @returns {{scale: Scale, tops: object}} The scale, and the upper edge and height of each lane.
 */
function drawLanes(canvas, session, from, to, lanes, extras = {}) {
  const { paper, width, height } = sharpCanvas(canvas);
  const long = lanes === LONG;
  if (!session.pauses.length) lanes = lanes.filter(([name]) => name !== "pauses");
  const scale = new Scale(from, to, long ? MARGIN : 0, width - (long ? 4 : 0));
  const total = lanes.reduce((sum, [, size]) => sum + size, 0);
  const stretch = (height - 4 * lanes.length) / total;
  const tops = {};
  let top = 2;
  paper.font = "12px system-ui, sans-serif";
  paper.textBaseline = "middle";
  for (const [name, size] of lanes) {
    const lane = { top, height: size * stretch };
    tops[name] = lane;
    if (long && name !== "marks" && name !== "time") {
      paper.fillStyle = colour("faint");
      paper.fillText(name, 4, top + lane.height / 2);
    }
    paper.save();
    paper.beginPath();
    paper.rect(scale.left, top, scale.right - scale.left, lane.height);
    if (name !== "marks") paper.clip();
    LANE[name](paper, session, scale, lane, extras);
    paper.restore();
    top += lane.height + 4;
  }
  drawMarks(paper, session, scale, tops, height, long);
  if (extras.cursor != null) {
    const x = scale.x(extras.cursor);
    if (x >= scale.left && x <= scale.right) {
      paper.fillStyle = colour("bad");
      paper.fillRect(x - 0.75, 0, 1.5, height);
    }
  }
  return { scale, tops };
}

/** A waveform from its peaks: one column a pixel, the largest peak in it. */
function drawWave(paper, peaks, scale, lane, ink) {
  const middle = lane.top + lane.height / 2;
  paper.fillStyle = ink;
  for (let x = Math.floor(scale.left); x < scale.right; x += 1) {
    const first = Math.floor(scale.moment(x) / PEAK);
    const last = Math.max(first + 1, Math.ceil(scale.moment(x + 1) / PEAK));
    if (last <= 0 || first >= peaks.length) continue;
    let peak = 0;
    for (let i = Math.max(0, first); i < Math.min(last, peaks.length); i += 1) peak = Math.max(peak, peaks[i]);
    // The square root makes quiet speech visible next to loud.
    const half = Math.max(0.5, Math.sqrt(peak / 255) * lane.height / 2);
    paper.fillRect(x, middle - half, 1, 2 * half);
  }
}

function drawBox(paper, scale, lane, start, end, fill, text = "", ink = "ink") {
  const left = Math.max(scale.left, scale.x(start)), right = Math.min(scale.right, scale.x(end));
  if (right < scale.left || left > scale.right) return;
  paper.fillStyle = fill;
  paper.fillRect(left, lane.top, Math.max(1, right - left - 0.5), lane.height);
  if (text && right - left > 14) drawText(paper, text, left + 3, lane.top + lane.height / 2, right - left - 5, ink);
}

/** Text cut to a width. */
function drawText(paper, text, x, y, room, ink = "ink") {
  let shown = text;
  if (paper.measureText(shown).width > room) {
    while (shown.length > 1 && paper.measureText(`${shown}…`).width > room) shown = shown.slice(0, -1);
    shown = shown.length > 1 ? `${shown}…` : "";
  }
  paper.fillStyle = colour(ink);
  paper.fillText(shown, x, y);
}

/** Painters of the lanes by name. */
const LANE = {
  marks() {},

  mic(paper, session, scale, lane) {
    drawWave(paper, session.mic, scale, lane, colour("wave"));
  },

  agent(paper, session, scale, lane) {
    drawWave(paper, session.agent, scale, lane, colour("agent"));
    for (const [start, end] of session.underruns) drawBox(paper, scale, lane, start, end, colour("bad"));
  },

  level(paper, session, scale, lane) {
    const y = (db) => lane.top + lane.height * (1 - (db - FLOOR) / -FLOOR);
    for (const [start, end] of session.gates) drawBox(paper, scale, lane, start, end, colour("hearing"));
    paper.strokeStyle = colour("ink");
    paper.beginPath();
    const first = Math.max(0, Math.floor(scale.from / FRAME));
    const last = Math.min(session.level.length, Math.ceil(scale.to / FRAME) + 1);
    const step = Math.max(1, Math.floor((last - first) / (2 * (scale.right - scale.left))));
    for (let i = first; i < last; i += step) {
      let level = 0;
      for (let k = i; k < Math.min(last, i + step); k += 1) level = Math.max(level, session.level[k]);
      const at = y(FLOOR - (level / 255) * FLOOR);
      paper.lineTo(scale.x(i * FRAME), at);
      paper.lineTo(scale.x((i + step) * FRAME), at);
    }
    paper.stroke();
    const threshold = extrasThreshold(session);
    if (threshold != null) {
      paper.fillStyle = colour("bad");
      paper.fillRect(scale.left, y(threshold) - 0.75, scale.right - scale.left, 1.5);
      drawText(paper, `${threshold.toFixed(1)} dB`, scale.left + 3, Math.max(lane.top + 7, y(threshold) - 8), 80, "bad");
    }
  },

  pauses(paper, session, scale, lane) {
    paper.fillStyle = colour("accent");
    for (let x = Math.floor(scale.left); x < scale.right; x += 1) {
      const first = Math.max(0, Math.floor(scale.moment(x) / FRAME));
      const last = Math.min(session.pauses.length, Math.max(first + 1, Math.ceil(scale.moment(x + 1) / FRAME)));
      let most = -1;
      for (let i = first; i < last; i += 1) if (session.pauses[i] !== 255) most = Math.max(most, session.pauses[i]);
      if (most < 0) continue;
      const size = Math.max(1, (lane.height * most) / 254);
      paper.fillRect(x, lane.top + lane.height - size, 1, size);
    }
    if (session.pauseThreshold === null) return;
    paper.fillStyle = colour("bad");
    paper.fillRect(scale.left, lane.top + lane.height * (1 - session.pauseThreshold), scale.right - scale.left, 1.5);
  },

  labels(paper, session, scale, lane, extras) {
    if (!session.labels.length) drawText(paper, "none", scale.left + 4, lane.top + lane.height / 2, 80, "faint");
    session.labels.forEach(([start, end, kind, turn, text], number) => {
      if (kind === "note") {
        drawBox(paper, scale, { top: lane.top, height: Math.max(3, lane.height / 5) }, start, Math.max(end, start + 1), colour("ink"));
        return;
      }
      drawBox(paper, scale, lane, start, end, colour(kind), `${turn ? `${turn}: ` : ""}${text || (turn ? "" : kind)}`);
      if (extras.chosen === number) {
        paper.strokeStyle = colour("bad");
        paper.lineWidth = 2;
        paper.strokeRect(scale.x(start), lane.top + 1, scale.x(end) - scale.x(start), lane.height - 2);
        paper.lineWidth = 1;
      }
    });
    for (const [start, end, cut] of session.holds) {
      const box = { top: lane.top + lane.height * 0.4, height: lane.height * 0.2 };
      drawBox(paper, scale, box, start, end, colour(cut ? "bad" : "faint"));
    }
  },

  listener(paper, session, scale, lane) {
    for (const [start, end, state] of session.states) {
      drawBox(paper, scale, lane, start, end, colour(state), lane.height > 12 ? state : "");
    }
  },

  words(paper, session, scale, lane) {
    let free = -Infinity;
    for (const [at, , text] of session.words) {
      const x = scale.x(at);
      if (x < scale.left - 200 || x > scale.right || x < free) continue;
      paper.fillStyle = colour("faint");
      paper.fillRect(x, lane.top, 1, lane.height);
      drawText(paper, text, x + 3, lane.top + lane.height / 2, 200);
      free = x + 3 + Math.min(200, paper.measureText(text).width) + 2;
    }
  },

  chunks(paper, session, scale, lane) {
    for (const [start, end, , , text] of session.chunks) {
      drawBox(paper, scale, lane, start, Math.max(end, start + 1), colour("speaking"), text);
    }
  },

  buffer(paper, session, scale, lane) {
    const most = session.buffer.reduce((largest, level) => Math.max(largest, level), 4);
    paper.fillStyle = colour("agent");
    for (let x = Math.floor(scale.left); x < scale.right; x += 1) {
      const first = Math.floor(scale.moment(x) / PEAK);
      const last = Math.min(session.buffer.length, Math.max(first + 1, Math.ceil(scale.moment(x + 1) / PEAK)));
      let level = Infinity;
      for (let i = Math.max(0, first); i < last; i += 1) level = Math.min(level, session.buffer[i]);
      const size = level === Infinity ? 0 : (lane.height * level) / most;
      paper.fillRect(x, lane.top + lane.height - size, 1, size);
    }
    for (const [start, end] of session.underruns) drawBox(paper, scale, lane, start, end, colour("bad"));
    drawText(paper, `${most}`, scale.left + 3, lane.top + 7, 60, "faint");
  },

  time(paper, session, scale, lane) {
    const seconds = (scale.to - scale.from) / RATE;
    const room = (scale.right - scale.left) / 70;
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200].find((s) => seconds / s <= room) || 3600;
    for (let k = Math.ceil(scale.from / RATE / step); k * step * RATE < scale.to; k += 1) {
      const x = scale.x(k * step * RATE);
      paper.fillStyle = colour("line");
      paper.fillRect(x, lane.top, 1, 5);
      paper.fillStyle = colour("faint");
      const s = k * step;
      const text = step < 1 ? `${s.toFixed(2)} s` : `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
      if (x + 2 + paper.measureText(text).width <= scale.right) paper.fillText(text, x + 2, lane.top + lane.height / 2 + 2);
    }
  },
};

/** Threshold that is shown: the sliders may have moved it. */
function extrasThreshold(session) {
  return session.shownThreshold ?? session.threshold;
}

/** A dashed line through all lanes at each marked moment; names that would meet are left out. */
function drawMarks(paper, session, scale, tops, height, long) {
  const rows = long ? [-Infinity, -Infinity] : [-Infinity];
  for (const [t, name, bad] of session.markers) {
    const x = scale.x(t);
    if (x < scale.left || x > scale.right) continue;
    paper.strokeStyle = colour(bad ? "bad" : "ink");
    paper.setLineDash([3, 3]);
    paper.beginPath();
    paper.moveTo(x, tops.mic.top);
    paper.lineTo(x, tops.time.top);
    paper.stroke();
    paper.setLineDash([]);
    const size = paper.measureText(name).width;
    const left = Math.min(x, scale.right - size);
    const row = rows.findIndex((taken) => left >= taken);
    if (row < 0) continue;
    rows[row] = left + size + 6;
    paper.fillStyle = colour(bad ? "bad" : "ink");
    paper.fillText(name, left, tops.marks.top + (row + 0.5) * (tops.marks.height / rows.length));
  }
}

/** The whole session in little, with the stretch that the timeline shows. */
function drawOverview(canvas, session, from, to, cursor) {
  const { paper, width, height } = sharpCanvas(canvas);
  const scale = new Scale(0, session.samples, MARGIN, width - 4);
  drawWave(paper, session.mic, scale, { top: 0, height: height / 2 }, colour("wave"));
  drawWave(paper, session.agent, scale, { top: height / 2, height: height / 2 }, colour("agent"));
  for (const [t, , bad] of session.markers) {
    if (!bad) continue;
    paper.fillStyle = colour("bad");
    paper.fillRect(scale.x(t) - 1, 0, 2, 8);
  }
  paper.strokeStyle = colour("accent");
  paper.lineWidth = 2;
  paper.strokeRect(scale.x(from), 1, Math.max(3, scale.x(to) - scale.x(from)), height - 2);
  paper.lineWidth = 1;
  if (cursor != null) {
    paper.fillStyle = colour("bad");
    paper.fillRect(scale.x(cursor) - 0.75, 0, 1.5, height);
  }
  return scale;
}
