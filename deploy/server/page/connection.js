// One stream to the server: samples go out as 16 bits, JSON messages come in.

const LATE_S = 10; // of audio that waits for the network: nobody calls that live

export class Connection {
  // Handlers: onReady(), onScores(message, latencyMs), onVerdict(message), onError(message), onLost(), onLate()
  constructor(start, handlers) {
    this.sampleRate = start.sample_rate;
    this.handlers = handlers;
    this.sentAt = [];
    this.isOver = false;
    this.isReady = false;
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify({ type: "start", format: "s16le", ...start }));
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = () => this.end(() => this.handlers.onLost());
  }

  take(message) {
    if (message.type === "ready") {
      this.isReady = true;
      this.handlers.onReady(message);
    } else if (message.type === "scores") {
      this.handlers.onScores(message, performance.now() - this.sentAt[message.chunk - 1]);
    } else if (message.type === "verdict") {
      this.end(() => this.handlers.onVerdict(message));
    } else {
      this.end(() => this.handlers.onError(message));
    }
  }

  send(samples) {
    if (!this.isReady || this.isOver || this.isClosing()) return; // what is lost is told by onclose
    if (this.socket.bufferedAmount > 2 * this.sampleRate * LATE_S) {
      this.end(() => this.handlers.onLate());
      return;
    }
    this.sentAt.push(performance.now());
    this.socket.send(Int16Array.from(samples, (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32768)))));
  }

  // No more samples: the verdict follows.
  finish() {
    if (this.isClosing()) return;
    if (this.isReady && !this.isOver) this.socket.send(JSON.stringify({ type: "end" }));
    else this.end(() => this.handlers.onError({ reason: "audio", rule: "the audio ended before the server was ready" }));
  }

  isClosing() {
    return this.socket.readyState > WebSocket.OPEN;
  }

  // Whatever comes first decides how a stream ended.
  end(tell) {
    if (this.isOver) return;
    this.isOver = true;
    this.socket.close();
    tell();
  }
}
