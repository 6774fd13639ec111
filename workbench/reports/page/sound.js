"use strict";
// Sound: one MP3 at a time, the user on the left channel, the agent on the right.

/** Plays MP3s that stand in the page; calls `moved` with the moment while it plays, and with null when it stops. */
class Player {
  constructor() {
    this.audio = new Audio();
    this.urls = new Map();
    this.moved = () => {};
    this.first = 0;
    this.last = Infinity;
    this.audio.addEventListener("pause", () => this.moved(null));
    this.audio.addEventListener("ended", () => this.moved(null));
  }

  get playing() {
    return !this.audio.paused && !this.audio.ended;
  }

  /**
   * Play a stretch.
   * @param {number} sound Place of the MP3 among those of the page.
   * @param {number} offset Moment at which the MP3 begins.
   * @param {number} from Moment to begin at.
   * @param {number} to Moment to stop at.
   * @param {string} channel `both`, `mic` or `agent`.
   * @param {(moment: number|null) => void} moved Gets the moment, and null at the end.
   */
  play(sound, offset, from, to, channel, moved) {
    this.stop();
    this.moved = moved;
    this.first = offset;
    this.last = to;
    this._route(channel);
    let url = this.urls.get(sound);
    if (!url) {
      url = URL.createObjectURL(new Blob([bytes(byId(`sound-${sound}`).textContent)], { type: "audio/mpeg" }));
      this.urls.set(sound, url);
    }
    if (this.audio.src !== url) this.audio.src = url;
    this.audio.currentTime = Math.max(0, (from - offset) / RATE);
    this.audio.play().then(() => this._tick(), () => this.moved(null));
  }

  stop() {
    if (this.playing) this.audio.pause();
  }

  _tick() {
    if (!this.playing) return;
    const moment = this.first + this.audio.currentTime * RATE;
    if (moment >= this.last) {
      this.audio.pause();
      return;
    }
    this.moved(moment);
    requestAnimationFrame(() => this._tick());
  }

  /** Send one channel, or both, to both ears; the graph is made when it is first needed. */
  _route(channel) {
    if (!this.context && channel !== "both") {
      this.context = new AudioContext();
      const source = this.context.createMediaElementSource(this.audio);
      const split = this.context.createChannelSplitter(2);
      const merge = this.context.createChannelMerger(2);
      // gains[from][to]: how much of a channel goes to an ear.
      this.gains = [0, 1].map((from) => [0, 1].map((to) => {
        const gain = this.context.createGain();
        split.connect(gain, from);
        gain.connect(merge, 0, to);
        return gain;
      }));
      source.connect(split);
      merge.connect(this.context.destination);
    }
    if (!this.context) return;
    this.context.resume();
    const wanted = { both: [[1, 0], [0, 1]], mic: [[1, 1], [0, 0]], agent: [[0, 0], [1, 1]] }[channel];
    wanted.forEach((row, from) => row.forEach((value, to) => { this.gains[from][to].gain.value = value; }));
  }
}

const player = new Player();
