// Runs in the audio thread: gathers what it hears, mixed to one channel, and hands it on in chunks of a tenth of a second.

const CHUNK_S = 0.1;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Float32Array(Math.round(sampleRate * CHUNK_S));
    this.filled = 0;
    this.finished = false;
    this.port.onmessage = () => this.finish();
  }

  process([channels]) {
    if (channels.length) {
      for (let i = 0; i < channels[0].length; i++) {
        let sum = 0;
        for (const channel of channels) sum += channel[i];
        this.chunk[this.filled++] = sum / channels.length;
        if (this.filled === this.chunk.length) this.handOn();
      }
    }
    return !this.finished;
  }

  handOn() {
    this.port.postMessage(this.chunk.slice(0, this.filled));
    this.filled = 0;
  }

  // The rest, then null: there is no more.
  finish() {
    if (this.filled) this.handOn();
    this.port.postMessage(null);
    this.finished = true;
  }
}

registerProcessor("recorder", Recorder);
