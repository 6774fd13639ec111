"use strict";
// Small helpers, and the data of the page. Times are samples of the session clock everywhere.

const page = JSON.parse(document.getElementById("data").textContent);
const RATE = page.rate;

/** Element by id; null where this page has none. */
const byId = (id) => document.getElementById(id);

/** Bytes of a base64 text. */
function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** m:ss.t of a moment, as the page writes it. */
function clock(samples) {
  const tenths = Math.floor((samples * 10) / RATE);
  return `${Math.floor(tenths / 600)}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}

/** Colour of the style sheet by its name: it differs between light and dark. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const darkMode = window.matchMedia("(prefers-color-scheme: dark)");

for (const session of page.sessions || []) {
  for (const name of ["mic", "agent", "level", "buffer", "pauses"]) session[name] = bytes(session[name]);
}

/** Make a canvas as sharp as the screen; returns its 2D context in CSS pixels, and its size. */
function sharpCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const paper = canvas.getContext("2d");
  paper.setTransform(scale, 0, 0, scale, 0, 0);
  paper.clearRect(0, 0, width, height);
  return { paper, width, height };
}
