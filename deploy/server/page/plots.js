// The score as a line over the spectrogram, on one axis of time that moves with the audio.

import { COLUMN_S, NUM_ROWS } from "/page/spectrum.js";

export const SPAN_S = 12;
const LEFT = 46; // pixels for the labels of the axes
const RIGHT = 6; // pixels for the dot at the line's end
const NUM_COLUMNS = SPAN_S / COLUMN_S + 10;
const TICK_S = 2;
const PALETTES = {
  light: ["#ffffff", "#cfe1ef", "#6ba3cd", "#1d5b95", "#071d33"],
  dark: ["#12181d", "#3b2160", "#a3346f", "#f07a48", "#fdeaa6"],
};

export class Plots {
  constructor(scoreCanvas, spectrogramCanvas, highestHz) {
    this.score = new Surface(scoreCanvas);
    this.spectrogram = new Surface(spectrogramCanvas);
    this.highestHz = highestHz;
    this.image = document.createElement("canvas");
    this.image.width = NUM_COLUMNS;
    this.image.height = NUM_ROWS;
    this.isDark = matchMedia("(prefers-color-scheme: dark)");
    this.isDark.addEventListener("change", () => this.paint());
    this.clear(null);
  }

  clear(threshold) {
    this.threshold = threshold;
    this.results = [];
    this.columns = [];
    this.numColumns = 0;
    this.paint();
  }

  addColumns(columns) {
    this.columns.push(...columns);
    this.columns.splice(0, this.columns.length - NUM_COLUMNS);
    this.numColumns += columns.length;
    this.paint();
  }

  addResults(results) {
    this.results.push(...results);
    const oldest = this.results.at(-1).end_s - SPAN_S - 2;
    while (this.results[0].end_s < oldest) this.results.shift();
  }

  // The columns as an image, the newest at its right edge.
  paint() {
    const context = this.image.getContext("2d");
    const pixels = context.createImageData(NUM_COLUMNS, NUM_ROWS);
    const colours = ramp(PALETTES[this.isDark.matches ? "dark" : "light"]);
    const empty = NUM_COLUMNS - this.columns.length;
    const words = new Uint32Array(pixels.data.buffer);
    words.fill(colours[0]);
    this.columns.forEach((column, i) => {
      for (let row = 0; row < NUM_ROWS; row++) {
        words[(NUM_ROWS - 1 - row) * NUM_COLUMNS + empty + i] = colours[Math.round(255 * column[row])];
      }
    });
    context.putImageData(pixels, 0, 0);
  }

  // Draw the SPAN_S seconds before `now_s` of the audio.
  draw(now_s) {
    const ink = inks();
    this.drawSpectrogram(now_s, ink);
    this.drawScores(now_s, ink);
  }

  drawSpectrogram(now_s, ink) {
    const surface = this.spectrogram.begin();
    const { context, height } = surface;
    const width = surface.width - RIGHT;
    const bottom = height - 22;
    const scale = (width - LEFT) / SPAN_S;
    const end_s = this.numColumns * COLUMN_S;
    const imageWidth = NUM_COLUMNS * COLUMN_S * scale;
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, width - LEFT, bottom);
    context.clip();
    context.fillStyle = PALETTES[this.isDark.matches ? "dark" : "light"][0];
    context.fillRect(LEFT, 0, width - LEFT, bottom);
    context.drawImage(this.image, width + (end_s - now_s) * scale - imageWidth, 0, imageWidth, bottom);
    context.restore();
    context.strokeStyle = ink.line;
    context.strokeRect(LEFT + 0.5, 0.5, width - LEFT - 1, bottom - 1);
    context.fillStyle = ink.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (let khz = 0; khz * 1000 <= this.highestHz; khz += 2) {
      const y = bottom * (1 - (1000 * khz) / this.highestHz);
      context.fillText(khz ? `${khz}` : "0 kHz", LEFT - 7, Math.min(bottom - 6, Math.max(7, y)));
    }
    this.drawTimes(context, now_s, width, bottom + 13, scale);
  }

  drawTimes(context, now_s, width, y, scale) {
    context.textAlign = "center";
    for (let t = Math.max(0, Math.ceil((now_s - SPAN_S) / TICK_S) * TICK_S); t <= now_s; t += TICK_S) {
      const x = width + (t - now_s) * scale;
      if (x > LEFT + 6 && x < width - 12) context.fillText(`${t} s`, x, y);
    }
  }

  drawScores(now_s, ink) {
    const surface = this.score.begin();
    const { context, height } = surface;
    const width = surface.width - RIGHT;
    const [low, high] = this.range();
    const x = (t) => width + ((t - now_s) * (width - LEFT)) / SPAN_S;
    const y = (score) => 3 + (height - 6) * (1 - (Math.min(high, Math.max(low, score)) - low) / (high - low));
    const level = y(this.threshold ?? 0);
    this.drawGrounds(context, width, height, level, ink);
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, surface.width - LEFT, height);
    context.clip();
    context.fillStyle = ink.soft;
    for (const result of this.results) {
      context.globalAlpha = result.is_speech ? 0.75 : 0.3;
      context.fillRect(x(result.start_s), y(result.score) - 0.75, Math.max(1.5, x(result.end_s) - x(result.start_s)), 1.5);
    }
    context.globalAlpha = 1;
    this.drawLine(context, x, y, ink);
    context.restore();
    this.drawNames(context, height, level, ink);
    context.fillStyle = ink.soft;
    context.textAlign = "right";
    for (const score of ticks(low, high)) {
      context.fillText(score.toFixed(high - low > 4 ? 0 : 1).replace("-", "−"), LEFT - 7, y(score));
    }
  }

  // What lies above the threshold is genuine, below it spoofed.
  drawGrounds(context, width, height, level, ink) {
    context.fillStyle = ink.bonafideWash;
    context.fillRect(LEFT, 0, width - LEFT, level);
    context.fillStyle = ink.spoofWash;
    context.fillRect(LEFT, level, width - LEFT, height - level);
    context.strokeStyle = ink.soft;
    context.setLineDash([6, 5]);
    context.beginPath();
    context.moveTo(LEFT, level);
    context.lineTo(width, level);
    context.stroke();
    context.setLineDash([]);
  }

  // Over all else, with a halo of its ground.
  drawNames(context, height, level, ink) {
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    const write = (text, y, colour, ground) => {
      context.strokeStyle = ground;
      context.strokeText(text, LEFT + 8, y);
      context.fillStyle = colour;
      context.fillText(text, LEFT + 8, y);
    };
    if (level > 18) write("genuine ↑", level - 10, ink.bonafide, ink.bonafideWash);
    if (height - level > 18) write("spoofed ↓", level + 11, ink.spoof, ink.spoofWash);
  }

  drawLine(context, x, y, ink) {
    context.lineWidth = 3;
    context.lineJoin = context.lineCap = "round";
    let before = null;
    for (const result of this.results) {
      if (result.running_score === null) continue;
      const point = [x(result.end_s), y(result.running_score)];
      if (before) {
        context.strokeStyle = result.label === "spoof" ? ink.spoof : ink.bonafide;
        context.beginPath();
        context.moveTo(...before);
        context.lineTo(...point);
        context.stroke();
      }
      before = point;
    }
    if (before) {
      context.fillStyle = ink.ink;
      context.beginPath();
      context.arc(before[0], before[1], 4, 0, 2 * Math.PI);
      context.fill();
    }
  }

  // Of the axis: around the threshold, wide enough for the line and for most steps; the others lie at its edge.
  range() {
    const middle = this.threshold ?? 0;
    const distances = this.results.map(({ score }) => Math.abs(score - middle)).sort((a, b) => a - b);
    let reach = Math.max(1, distances[Math.floor(0.8 * distances.length)] ?? 0);
    for (const { running_score } of this.results) reach = Math.max(reach, Math.abs((running_score ?? middle) - middle));
    return [middle - 1.15 * reach, middle + 1.15 * reach];
  }
}

// A canvas as sharp as the screen, measured anew whenever the page changes.
class Surface {
  constructor(canvas) {
    this.canvas = canvas;
  }

  begin() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const density = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * density) || this.canvas.height !== Math.round(height * density)) {
      this.canvas.width = Math.round(width * density);
      this.canvas.height = Math.round(height * density);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12.5px system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
    context.lineWidth = 1;
    return { context, width, height };
  }
}

function inks() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"), soft: read("--soft"), line: read("--line"),
    bonafide: read("--bonafide"), bonafideWash: read("--bonafide-wash"), spoof: read("--spoof"), spoofWash: read("--spoof-wash"),
  };
}

// 256 colours between the given ones, as the 32-bit words of image data on a little-endian machine.
function ramp(stops) {
  const channels = stops.map((stop) => [1, 3, 5].map((i) => parseInt(stop.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(place));
    const [red, green, blue] = [0, 1, 2].map((c) =>
      Math.round(channels[below][c] + (place - below) * (channels[below + 1][c] - channels[below][c])));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

// Round numbers along an axis.
function ticks(low, high) {
  const step = [0.5, 1, 2, 5, 10, 20, 50, 100].find((size) => (high - low) / size <= 5) ?? high - low;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}
