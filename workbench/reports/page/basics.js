"use strict";
// Small helpers, and the data of the page. Times are samples of the session clock everywhere.

const page = JSON.parse(document.getElementById("data").textContent);
const RATE = page.rate;

/** Element by id; null where this page has none. */
const byId = (id) => document.getElementById(id);

/** Bytes of a base64 text. */
function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text);
  const found = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i += 1) found[i] = letters.charCodeAt(i);
  return found;
}

/** Bytes of packed data by its name: the browser itself unpacks them. */
async function unpackBytes(id) {
  const stream = new Blob([bytes(byId(`data-${id}`).textContent)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const values = new Map();

/** Value of a packed element, its arrays as bytes; unpacked once. */
function unpack(id) {
  if (!values.has(id)) values.set(id, unpackBytes(id).then(read));
  return values.get(id);
}

/** A packed value: length of the JSON, the JSON, its arrays. */
function read(packed) {
  const length = new DataView(packed.buffer).getUint32(0, true);
  const value = JSON.parse(new TextDecoder().decode(packed.subarray(4, 4 + length)));
  let at = 4 + length;
  for (const [name, size] of Object.entries(value.bytes)) {
    value[name] = packed.subarray(at, at + size);
    at += size;
  }
  return value;
}

/** A session with all that the timeline shows. */
async function loadSession(number) {
  const session = page.sessions[number];
  if (!session.loaded) {
    const found = await unpack(`session-${number}`);
    if (!session.loaded) Object.assign(session, found, { sound: session.sound, loaded: true });
  }
  return session;
}

/** m:ss.t of a moment, as the page writes it. */
function clock(samples) {
  const tenths = Math.floor((samples * 10) / RATE);
  return `${Math.floor(tenths / 600)}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}

const darkMode = window.matchMedia("(prefers-color-scheme: dark)");
const colours = new Map();
darkMode.addEventListener("change", () => colours.clear());

/** Colour of the style sheet by its name: it differs between light and dark. */
function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colours.get(name);
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
