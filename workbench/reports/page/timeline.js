"use strict";
// The long timeline: one session at a time, all of it, with zoom, pan, a cursor and play.

const SHORTEST = RATE / 5;   // 0.2 s fill the canvas at the strongest zoom

class Timeline {
  constructor() {
    this.canvas = byId("lanes");
    this.overview = byId("overview");
    this.number = 0;
    this.cursor = 0;
    this.chosen = null;
    this.edited = null;      // set by labels.js: gets the pointer first
    this.ready = this.show(0);
    byId("session").addEventListener("change", (event) => this.show(Number(event.target.value)));
    byId("play").addEventListener("click", () => this.toggle());
    byId("channel").addEventListener("change", () => { if (player.playing) { player.stop(); this.play(); } });
    byId("zoom-in").addEventListener("click", () => this.zoom(0.5));
    byId("zoom-out").addEventListener("click", () => this.zoom(2));
    byId("zoom-all").addEventListener("click", () => this.look(0, this.session.samples));
    this.canvas.addEventListener("keydown", (event) => this._key(event));
    this.canvas.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this._press(event));
    this.canvas.addEventListener("pointermove", (event) => this._say(event));
    this.overview.addEventListener("pointerdown", (event) => this._pan(event));
    this.overview.addEventListener("pointermove", (event) => { if (event.buttons) this._pan(event); });
    window.addEventListener("resize", () => this.draw());
    darkMode.addEventListener("change", () => this.draw());
  }

  get session() {
    return page.sessions[this.number];
  }

  /** Another session, all of it. */
  async show(number) {
    player.stop();
    this.wanted = number;
    await loadSession(number);
    if (this.wanted !== number) return;   // another one was chosen meanwhile
    this.number = number;
    this.cursor = 0;
    this.chosen = null;
    byId("session").value = String(number);
    this.canvas.dataset.session = String(number);
    const silent = this.session.sound === null;
    byId("play").disabled = silent;
    byId("play").title = silent ? "workbench report --full-audio puts the sound of long sessions into the page" : "";
    this.look(0, this.session.samples);
    this.canvas.dispatchEvent(new CustomEvent("session"));
  }

  /** Show a stretch, within the session. */
  look(from, to) {
    const whole = this.session.samples;
    const length = Math.min(whole, Math.max(SHORTEST, to - from));
    this.from = Math.max(0, Math.min(from, whole - length));
    this.to = this.from + length;
    this.draw();
  }

  /** Zoom about a moment, by default the cursor if it is seen, else the middle. */
  zoom(factor, about = null) {
    const seen = this.cursor >= this.from && this.cursor <= this.to;
    const at = about ?? (seen ? this.cursor : (this.from + this.to) / 2);
    this.look(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  /** Go to a moment of a session, with six seconds around it. */
  async jump(number, moment) {
    if (number !== this.number) await this.show(number);
    player.stop();
    this.cursor = moment;
    this.look(moment - 3 * RATE, moment + 3 * RATE);
    byId("timeline").scrollIntoView({ block: "start" });
    this.canvas.focus({ preventScroll: true });
  }

  draw() {
    if (!this.session.loaded) return;
    const extras = { cursor: this.cursor, chosen: this.chosen };
    this.shown = drawLanes(this.canvas, this.session, this.from, this.to, LONG, extras);
    this.small = drawOverview(this.overview, this.session, this.from, this.to, this.cursor);
    byId("clock").value = `${clock(this.cursor)} of ${clock(this.session.samples)}`;
    this.canvas.dataset.cursor = String(Math.round(this.cursor));
    this.canvas.dataset.from = String(Math.round(this.from));
    this.canvas.dataset.to = String(Math.round(this.to));
  }

  toggle() {
    if (player.playing) player.stop(); else this.play();
  }

  play() {
    if (this.session.sound === null) return;
    const start = this.cursor >= this.session.samples - RATE / 10 ? 0 : this.cursor;
    const button = byId("play");
    button.setAttribute("aria-pressed", "true");
    button.textContent = "■ Stop";
    player.play(this.session.sound, 0, start, this.session.samples, byId("channel").value, (moment) => {
      if (moment === null) {
        button.setAttribute("aria-pressed", "false");
        button.textContent = "▶ Play";
        return;
      }
      this.cursor = moment;
      // The view follows: a page further when the cursor leaves it.
      if (moment > this.to || moment < this.from) this.look(moment, moment + this.to - this.from); else this.draw();
    });
  }

  _key(event) {
    const step = (this.to - this.from) / 10;
    const act = {
      ArrowLeft: () => this.look(this.from - step, this.to - step),
      ArrowRight: () => this.look(this.from + step, this.to + step),
      Home: () => { this.cursor = 0; this.look(0, this.to - this.from); },
      End: () => { this.cursor = this.session.samples; this.look(this.session.samples, this.session.samples + this.to - this.from); },
      "+": () => this.zoom(0.5),
      "=": () => this.zoom(0.5),
      "-": () => this.zoom(2),
      ",": () => { this.cursor = Math.max(0, this.cursor - FRAME); this.draw(); },
      ".": () => { this.cursor = Math.min(this.session.samples, this.cursor + FRAME); this.draw(); },
      " ": () => this.toggle(),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  _wheel(event) {
    // A plain wheel scrolls the page; with Ctrl (and a pinch) it zooms, with Shift or sideways it pans.
    const length = this.to - this.from;
    if (event.ctrlKey) this.zoom(Math.exp(event.deltaY / 300), this.shown.scale.moment(event.offsetX));
    else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = ((event.deltaX || event.deltaY) / 1000) * length;
      this.look(this.from + by, this.to + by);
    } else return;
    event.preventDefault();
  }

  _press(event) {
    if (!this.shown || (this.edited && this.edited(event))) return;
    const { from, to } = this;
    const start = event.offsetX;
    const perPixel = (to - from) / (this.shown.scale.right - this.shown.scale.left);
    let dragged = false;
    this.canvas.setPointerCapture(event.pointerId);
    const move = (next) => {
      const by = next.offsetX - start;
      if (Math.abs(by) > 3) dragged = true;
      if (dragged) this.look(from - by * perPixel, to - by * perPixel);
    };
    const end = (next) => {
      this.canvas.removeEventListener("pointermove", move);
      if (dragged) return;
      // A click sets the cursor; where it plays, it plays on from there.
      const playing = player.playing;
      player.stop();
      this.cursor = Math.max(0, Math.min(this.session.samples, this.shown.scale.moment(next.offsetX)));
      this.draw();
      if (playing) this.play();
    };
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", end, { once: true });
  }

  _pan(event) {
    if (!this.small) return;
    const at = this.small.moment(event.offsetX), half = (this.to - this.from) / 2;
    this.look(at - half, at + half);
  }

  /** What is under the pointer, as text. */
  _say(event) {
    if (!this.shown) return;
    const at = this.shown.scale.moment(event.offsetX);
    if (at < this.from) return;
    const within = (list) => list.filter(([start, end]) => start <= at && at < end);
    const label = within(this.session.labels).map(([, , kind, turn, text]) => `${kind}${turn ? ` ${turn}` : ""}${text ? `: ${text}` : ""}`);
    const state = within(this.session.states).map(([, , name]) => `listener ${name}`);
    const chunk = within(this.session.chunks).map(([, , , , text]) => `agent: ${text}`);
    const level = this.session.level[Math.floor(at / FRAME)];
    const db = level === undefined ? [] : [`${(FLOOR - (level / 255) * FLOOR).toFixed(0)} dB`];
    byId("under").textContent = [`${(at / RATE).toFixed(2)} s`, ...db, ...label, ...state, ...chunk].join(" · ");
  }
}

const timeline = byId("lanes") && page.sessions.length ? new Timeline() : null;
