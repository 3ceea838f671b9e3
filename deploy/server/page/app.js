// The page: what the user does, what the server says, and what is shown of both.

import { Connection } from "/page/connection.js";
import { Plots } from "/page/plots.js";
import { Microphone, Recording } from "/page/sources.js";
import { Spectrum } from "/page/spectrum.js";

const AGGREGATIONS = {
  running: { kind: "running" },
  sliding: { kind: "sliding", window_s: 4 },
  exponential: { kind: "exponential", half_life_s: 2 },
};
const WORDS = { bonafide: "Sounds genuine", spoof: "Sounds spoofed" };
const SETTLED_MS = 1000; // a verdict that lasts so long is read aloud
const SILENT_PEAK = 1e-4;
const SILENT_CHUNKS = 30;
const REFUSALS = {
  full: "The server is full",
  token: "The server asks for a token",
  origin: "The server does not serve this page",
  idle: "The server heard nothing for too long",
  too_long: "The stream has reached the longest time allowed",
  audio: "Too short for a verdict",
};

const element = (id) => document.getElementById(id);
const show = (id, text) => {
  if (element(id).textContent !== text) element(id).textContent = text;
};
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

let detector = null;
let plots = null;
let run = null; // what is being heard, from start to verdict
let latest = null; // run or the one before, for the plots
let again = null; // what Reconnect repeats

async function begin() {
  try {
    detector = await (await fetch("/v1/detector")).json();
  } catch {
    problem("The server does not answer", "Is it still running? Reload the page once it is.", () => location.reload());
    return;
  }
  const { name, version, architecture, precision, sample_rate, threshold } = detector;
  const title = [name, version && `version ${version}`].filter(Boolean).join(", ");
  show("detector", [title, architecture, precision, `${sample_rate / 1000} kHz`].filter(Boolean).join(" · "));
  show("threshold", signed(threshold));
  element("token-choice").hidden = !detector.asks_for_token;
  plots = new Plots(element("scores"), element("spectrogram"), sample_rate / 2);
  plots.clear(threshold);
  element("toggle").onclick = () => (run ? stop() : start(openMicrophone));
  element("file").onchange = ({ target }) => {
    const [file] = target.files;
    target.value = "";
    if (file) start((...handlers) => openRecording(file, ...handlers));
  };
  element("reconnect").onclick = () => again?.();
  for (const id of ["toggle", "file"]) element(id).disabled = false; // until here a click would have been lost
  requestAnimationFrame(frame);
}

async function openMicrophone(...handlers) {
  if (!navigator.mediaDevices) {
    throw new Problem("This page may not use a microphone",
      "Browsers allow it only over HTTPS or on the server's own machine: start the server with a certificate, or play a recording.");
  }
  try {
    return await Microphone.open(...handlers);
  } catch (error) {
    if (error.name === "NotAllowedError") {
      throw new Problem("The microphone was denied", "Allow it for this page beside the browser's address bar, then start again. Or play a recording.");
    }
    if (error.name === "NotFoundError") throw new Problem("No microphone was found", "Connect one and start again, or play a recording.");
    throw new Problem("The microphone cannot be opened", `Another program may hold it (${error.message}).`);
  }
}

async function openRecording(file, ...handlers) {
  try {
    return await Recording.open(file, detector.sample_rate, ...handlers);
  } catch {
    throw new Problem("The recording cannot be played", `This browser does not read ${file.name}; try WAV, FLAC or MP3.`);
  }
}

class Problem extends Error {
  constructor(title, remedy) {
    super(title);
    this.remedy = remedy;
  }
}

// Open the source, then the stream; sound flows once the server is ready.
async function start(open) {
  const own = { heard_s: 0, chunkAt: 0, quiet: 0, latencies: [], label: null, since: 0, announced: null };
  again = () => start(open);
  run = latest = own;
  problem(null);
  plots.clear(detector.threshold);
  busy(true);
  state("opening", "connecting");
  words("", "Listening…", "The verdict comes with the first speech.");
  try {
    own.source = await open((samples) => hear(own, samples), () => own.connection?.finish());
    await own.source.prepare().catch(() => { throw new Problem("The server does not answer", "Is it still running?"); });
  } catch (error) {
    fail(own, error.message, error.remedy, "idle", "not connected");
    return;
  }
  if (run !== own) { // stopped before the microphone was allowed
    own.source.release();
    return;
  }
  own.spectrum = new Spectrum(own.source.sampleRate, detector.sample_rate / 2);
  const token = element("token").value;
  const aggregation = AGGREGATIONS[element("aggregation").value];
  own.connection = new Connection({ sample_rate: own.source.sampleRate, aggregation, ...(token && { token }) }, handlersOf(own));
}

function handlersOf(own) {
  return {
    onReady: () => {
      state("open", "connected");
      own.source.begin().catch((error) => fail(own, "The audio cannot be played", error.message, "idle", "not connected"));
    },
    onScores: (message, latency_ms) => report(own, message.results, latency_ms),
    onVerdict: (verdict) => conclude(own, verdict),
    onError: (error) => fail(own, REFUSALS[error.reason] ?? "The server ended the stream",
      [error.rule, error.value && `got ${error.value}`, error.remedy].filter(Boolean).join("; "), "lost", "refused"),
    onLost: () => {
      fail(own, "The connection was lost", "The server or the network between went away.", "lost", "lost");
      show("reconnect", "Reconnect");
    },
    onLate: () => fail(own, "The network is too slow", "Ten seconds of audio wait to be sent.", "lost", "too slow"),
  };
}

// The source hands on what it has, then ends, and the server's verdict follows.
function stop() {
  if (run.connection?.isReady) run.source.stop();
  else fail(run, null, null, "idle", "not connected");
}

function hear(own, samples) {
  own.connection.send(samples);
  own.heard_s += samples.length / own.source.sampleRate;
  own.chunkAt = performance.now();
  plots.addColumns(own.spectrum.feed(samples));
  show("heard", `${own.heard_s.toFixed(1)} s`);
  const isQuiet = samples.every((value) => Math.abs(value) < SILENT_PEAK);
  own.quiet = isQuiet ? own.quiet + 1 : 0;
  if (own.quiet === SILENT_CHUNKS) show("reason", "Nothing is heard: is the microphone muted?");
}

function report(own, results, latency_ms) {
  plots.addResults(results);
  own.latencies = [...own.latencies.slice(-19), latency_ms];
  const last = results.at(-1);
  show("latency", `${Math.round(own.latencies.toSorted((a, b) => a - b)[own.latencies.length >> 1])} ms`);
  if (last.running_score === null || run !== own) return;
  show("score", signed(last.running_score));
  if (own.quiet < SILENT_CHUNKS) words(last.label ?? "", WORDS[last.label] ?? "Listening…", reasonOf(last.running_score, last.llr));
  announce(own, last.label);
}

// Likelihood ratios are said in words as far as anybody could hold them against the truth.
function reasonOf(score, llr) {
  const side = score > detector.threshold ? "above" : "below";
  const reason = `Score ${signed(score)}, ${side} the threshold of ${signed(detector.threshold)}`;
  if (llr === null) return `${reason}.`;
  const times = Math.exp(Math.min(Math.abs(llr), Math.log(1000)));
  const many = times >= 1000 ? "more than 1000" : times >= 10 ? times.toFixed(0) : times.toFixed(1);
  return `${reason}; ${many} times likelier if ${llr > 0 ? "genuine" : "spoofed"}.`;
}

// Where a recording that is spoofed in part sounds most like it.
function worstOf({ lowest, threshold }) {
  if (!lowest || lowest.score > threshold) return "";
  return `Most like a spoof from ${lowest.start_s.toFixed(1)} to ${lowest.end_s.toFixed(1)} s.`;
}

// Screen readers hear a verdict once it has settled, not every wavering.
function announce(own, label) {
  if (label !== own.label) [own.label, own.since] = [label, performance.now()];
  else if (label !== own.announced && performance.now() - own.since > SETTLED_MS) {
    own.announced = label;
    show("announcement", WORDS[label] ?? "");
  }
}

function conclude(own, verdict) {
  release(own, "idle", "finished");
  const text = WORDS[verdict.label] ?? "No speech was heard";
  const reason = verdict.score === null ? "" : reasonOf(verdict.score, verdict.llr);
  words(verdict.label ?? "", text, [`${verdict.duration_s.toFixed(1)} s heard.`, reason, worstOf(verdict)].join(" "));
  show("announcement", `Verdict: ${text}`);
  if (verdict.score !== null) show("score", signed(verdict.score));
}

function fail(own, title, remedy, kind, connection) {
  if (run !== own) return;
  release(own, kind, connection);
  words("", "Ready to listen", "Start the microphone, or play a recording to the detector.");
  if (title) problem(title, remedy, again);
}

function release(own, kind, connection) {
  own.source?.release();
  own.connection?.end(() => {});
  if (run !== own) return;
  run = null;
  busy(false);
  state(kind, connection);
}

function busy(isBusy) {
  element("toggle").dataset.busy = isBusy;
  element("toggle").querySelector("span").textContent = isBusy ? "Stop" : "Start the microphone";
  for (const id of ["file", "aggregation", "token"]) element(id).disabled = isBusy;
}

function state(kind, text) {
  element("connection").dataset.state = kind;
  element("connection").querySelector("b").textContent = text;
}

function words(label, text, reason) {
  element("verdict").dataset.label = label;
  show("words", text);
  show("reason", reason);
}

function problem(title, remedy, retry) {
  element("problem").hidden = !title;
  if (!title) return;
  show("problem-title", title);
  show("problem-remedy", remedy ?? "");
  show("reconnect", "Try again");
  again = retry;
}

// The plots glide with the audio, a chunk behind it; for those who want no motion they step.
function frame() {
  if (latest) {
    const ahead_s = run && latest.chunkAt && !isStill.matches ? (performance.now() - latest.chunkAt) / 1000 - 0.1 : 0;
    plots.draw(latest.heard_s + Math.min(0, ahead_s));
  } else {
    plots.draw(0);
  }
  requestAnimationFrame(frame);
}

begin();
