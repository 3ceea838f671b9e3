// Short-time spectra of a stream: levels in 0..1, a column every 20 ms.

export const COLUMN_S = 0.02;
export const NUM_ROWS = 128;
const FLOOR_DB = -95;
const CEILING_DB = -25;

export class Spectrum {
  constructor(sampleRate, highestHz) {
    this.hop = Math.round(sampleRate * COLUMN_S);
    this.size = 2 ** Math.round(Math.log2(sampleRate * 0.032));
    this.waiting = new Float32Array(0);
    this.window = Float32Array.from({ length: this.size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / this.size));
    this.binsPerRow = (highestHz * this.size) / sampleRate / NUM_ROWS;
    this.real = new Float32Array(this.size);
    this.imaginary = new Float32Array(this.size);
  }

  // The columns that these samples complete.
  feed(samples) {
    const all = new Float32Array(this.waiting.length + samples.length);
    all.set(this.waiting);
    all.set(samples, this.waiting.length);
    const columns = [];
    let first = 0;
    for (; first + this.size <= all.length; first += this.hop) columns.push(this.column(all, first));
    this.waiting = all.slice(first);
    return columns;
  }

  column(samples, first) {
    for (let i = 0; i < this.size; i++) this.real[i] = samples[first + i] * this.window[i];
    this.imaginary.fill(0);
    transform(this.real, this.imaginary);
    const column = new Float32Array(NUM_ROWS);
    for (let row = 0; row < NUM_ROWS; row++) {
      const from = Math.floor(row * this.binsPerRow);
      const to = Math.max(from + 1, Math.floor((row + 1) * this.binsPerRow));
      let power = 0;
      for (let bin = from; bin < to; bin++) power = Math.max(power, this.real[bin] ** 2 + this.imaginary[bin] ** 2);
      const level_db = 10 * Math.log10((16 * power) / this.size ** 2 + 1e-12); // of a full-scale sine: 0 dB
      column[row] = Math.min(1, Math.max(0, (level_db - FLOOR_DB) / (CEILING_DB - FLOOR_DB)));
    }
    return column;
  }
}

// Fast Fourier transform in place (Cooley and Tukey 1965), of a length that is a power of two.
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [real[i], real[j]] = [real[j], real[i]];
  }
  for (let span = 2; span <= size; span *= 2) {
    const half = span / 2;
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((2 * Math.PI * k) / span);
      const sine = -Math.sin((2 * Math.PI * k) / span);
      for (let a = k; a < size; a += span) {
        const b = a + half;
        const x = real[b] * cosine - imaginary[b] * sine;
        const y = real[b] * sine + imaginary[b] * cosine;
        real[b] = real[a] - x;
        imaginary[b] = imaginary[a] - y;
        real[a] += x;
        imaginary[a] += y;
      }
    }
  }
}
