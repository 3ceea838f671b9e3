// Where sound comes from: a microphone, or a recording that is played aloud. Both hand on chunks of samples.

// Browsers "improve" speech for calls, and take with it what tells genuine speech from spoofed.
const AS_IT_IS = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

class Source {
  // onChunk(samples) gets Float32Arrays; onEnd() is called once, after the last of them.
  constructor(context, onChunk, onEnd) {
    this.context = context;
    this.sampleRate = context.sampleRate;
    this.onChunk = onChunk;
    this.onEnd = onEnd;
  }

  // Fetch what runs in the audio thread, while nobody waits for sound yet.
  prepare() {
    return this.context.audioWorklet.addModule("/page/recorder.js");
  }

  async listenTo(node) {
    this.recorder = new AudioWorkletNode(this.context, "recorder", { numberOfInputs: 1, numberOfOutputs: 1 });
    this.recorder.port.onmessage = ({ data }) => (data ? this.onChunk(data) : this.leave());
    node.connect(this.recorder);
    this.recorder.connect(this.context.destination); // silent; nodes that lead nowhere are not run
    await this.context.resume();
  }

  // Hand on what was heard last, then end.
  stop() {
    if (this.recorder) this.recorder.port.postMessage("finish");
    else this.leave();
  }

  leave() {
    this.release();
    this.onEnd();
  }

  // Let go of the devices at once.
  release() {
    for (const track of this.tracks ?? []) track.stop();
    if (this.context.state !== "closed") this.context.close();
  }
}

export class Microphone extends Source {
  static async open(onChunk, onEnd) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
    const source = new Microphone(new AudioContext(), onChunk, onEnd);
    source.tracks = stream.getTracks();
    source.tracks[0].onended = () => source.stop(); // unplugged, or taken away
    source.begin = () => source.listenTo(source.context.createMediaStreamSource(stream));
    return source;
  }
}

export class Recording extends Source {
  // Decoded at the detector's own rate, so that a recording at this rate reaches it unchanged.
  static async open(file, sampleRate, onChunk, onEnd) {
    const source = new Recording(new AudioContext({ sampleRate }), onChunk, onEnd);
    try {
      const buffer = await source.context.decodeAudioData(await file.arrayBuffer());
      const player = new AudioBufferSourceNode(source.context, { buffer });
      player.onended = () => source.stop();
      source.begin = async () => {
        await source.listenTo(player);
        player.connect(source.context.destination);
        player.start();
      };
    } catch (error) {
      source.release();
      throw error;
    }
    return source;
  }
}
