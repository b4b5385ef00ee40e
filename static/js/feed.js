// How this page hears what is new. It streams; it polls where that is another page's turn or a proxy lets no stream
// through; or it rests, hidden, while another page of this browser streams.

import { forgetServerTime, hear, say } from "./clock.js";
import { PAGE } from "./page.js";
import { isHidden, startTabs } from "./tabs.js";

const FIRST_WITHIN = 10_000; // a proxy that buffers passes on nothing at all
const OLD_AFTER = 12_000; // heartbeats come every five seconds
const SLEPT = 8_000;
const STREAM_AGAIN_AFTER = 60_000;
const LONGEST_DELAY = 5_000;
const POLL_EVERY = 4_000;
const POLL_WITHIN = 8_000;
const HELD_BACK = 8; // seconds: a hidden page's answers set its pace, as browsers slow its timers down
const HELD_ON_TOP = 2; // where a small window of it is seen
const PAUSED_FOR = 5_000;
const PERSONAL = /hx-target="#(my-ear|own-chip|desk)"/;

let turn = "rest";
let pauses = 0; // stops that are under way
let stream = null;
let address = ""; // what the stream or the poll asks for
let openedAt = 0;
let streamTimer;
let failures = 0;
let isBlocked = false; // the stream opened and said nothing
let request = null; // the poll that is under way
let pollTimer;
let pollFailed = false;
let version = ""; // of what is shown, where a poll brought it
let personalVersion = 0; // the board's version with which this stream last brought what is the viewer's own
let heardAt = performance.now();
let lastTick = Date.now();
let shown = Promise.resolve();

const element = () => document.getElementById("stream");

// One after the other, and never what an earlier connection brought for another window.
function show(html, isCurrent, brought = 0) {
  const swap = () => {
    if (!isCurrent()) return;
    if (brought && PERSONAL.test(html)) personalVersion = brought;
    return window.htmx.swap({ text: html, sourceElement: element(), target: element(), swap: "none" });
  };
  shown = shown.then(swap).catch((error) => console.error(error));
}

function heard(beat, how) {
  heardAt = performance.now();
  hear(beat, heardAt);
  say(how);
}

function closeStream() {
  clearTimeout(streamTimer);
  stream?.close();
  stream = null;
}

function openStream() {
  closeStream();
  if (pauses || turn !== "stream" || !element()) return;
  address = element().dataset.stream;
  openedAt = performance.now();
  const here = new EventSource(address);
  stream = here;
  const arrived = () => {
    clearTimeout(streamTimer);
    failures = 0;
    isBlocked = false;
    version = "";
    stopPolling();
  };
  streamTimer = setTimeout(block, FIRST_WITHIN);
  here.addEventListener("message", (event) => {
    arrived();
    show(event.data, () => stream === here, Number(event.lastEventId));
  });
  here.addEventListener("heartbeat", (event) => {
    arrived();
    heard(JSON.parse(event.data), "live");
  });
  here.addEventListener("error", () => stream === here && retry());
}

// The stream ended or was refused. An error says no status: the third time a poll finds out, a 401 above all.
function retry() {
  closeStream();
  failures += 1;
  if (failures > 2 && !request) poll();
  const delay = Math.min(LONGEST_DELAY, 500 * 2 ** (failures - 1)) * (0.7 + 0.6 * Math.random());
  streamTimer = setTimeout(openStream, failures === 1 && document.hidden ? 0 : delay);
}

function block() {
  closeStream();
  isBlocked = true;
  pollFailed = false;
  poll();
  streamTimer = setTimeout(openStream, STREAM_AGAIN_AFTER);
}

function stopPolling() {
  clearTimeout(pollTimer);
  request?.abort();
  request = null;
}

function heldBack() {
  if (!document.hidden) return 0;
  return isHidden() ? HELD_BACK : HELD_ON_TOP;
}

async function poll() {
  stopPolling();
  if (pauses || turn === "rest" || !element()) return;
  address = element().dataset.stream;
  const url = new URL(address.replace("/stream/", "/snapshot/"), location.href);
  url.searchParams.set("page", PAGE);
  const held = heldBack();
  if (held) url.searchParams.set("wait", held);
  const here = new AbortController();
  request = here;
  const late = setTimeout(() => here.abort(), POLL_WITHIN + held * 1000);
  let answered = false;
  try {
    // Low: where every connection is busy, a press goes first.
    const headers = version ? { "If-None-Match": version } : {};
    const answer = await fetch(url, { headers, signal: here.signal, priority: "low" });
    // Signed out, or the open call is not this viewer's any more: the page that comes instead says which.
    if (answer.status === 401 || answer.headers.has("Floorline-Lost")) return location.reload();
    const beat = answer.headers.get("Floorline-Heartbeat");
    if (beat && (answer.ok || answer.status === 304)) {
      const html = await answer.text();
      if (request !== here) return;
      version = answer.headers.get("ETag");
      if (html) show(html, () => request === here);
      heard(JSON.parse(beat), "polling");
      answered = true;
    }
  } catch {
    // No answer, or one that Floorline did not give: tried again below.
  } finally {
    clearTimeout(late);
  }
  if (request !== here) return;
  // Nothing came through at all, and now something does: it was no buffer, and the stream is tried at once.
  if (answered && isBlocked && pollFailed) openStream();
  pollFailed = !answered;
  if (answered && held) poll();
  else pollTimer = setTimeout(poll, POLL_EVERY);
}

function begin() {
  closeStream();
  stopPolling();
  version = "";
  personalVersion = 0;
  if (turn === "rest") return;
  if (turn === "poll") poll();
  else if (isBlocked) block();
  else openStream();
}

// Asks for the whole window again.
export function reconnect() {
  heardAt = performance.now();
  begin();
}

// Gives up this page's connection, so that a stop need not wait for one. Returns a function that takes it up again.
export function pause() {
  pauses += 1;
  closeStream();
  stopPolling();
  let isOver = false;
  const resume = () => {
    if (isOver) return;
    isOver = true;
    pauses -= 1;
    if (!pauses) begin();
  };
  setTimeout(resume, PAUSED_FOR);
  return resume;
}

// An answer that was on its way for long has put back what the stream had brought since; the stream does not send that
// again by itself.
function isOlder(ctx) {
  const read = ctx?.response?.headers?.get("Floorline-Version");
  return Boolean(read) && Number(read) < personalVersion;
}

// A connection that stalls never ends by itself; a laptop that slept shows what was true before.
export function watch() {
  const slept = Date.now() - lastTick > SLEPT && !isHidden();
  lastTick = Date.now();
  if (turn === "rest" || !element()) return;
  const now = performance.now();
  if (!slept && now - heardAt <= OLD_AFTER) return;
  if (slept) forgetServerTime();
  say("lost");
  if (slept || (stream && now - openedAt > OLD_AFTER)) begin();
}

function takeTurn(next) {
  const rested = turn === "rest";
  turn = next;
  if (turn === "rest") say("resting");
  else if (rested) heardAt = performance.now();
  begin();
}

export function startFeed() {
  document.addEventListener("visibilitychange", () => {
    lastTick = Date.now();
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx?.sourceElement?.id === "stream") return;
    version = ""; // an answer has changed the page
    if (!element() || pauses || turn === "rest") return;
    if (element().dataset.stream !== address || isOlder(ctx)) begin();
  });
  setInterval(watch, 1000);
  // htmx, which shows what arrives, is there by then.
  document.addEventListener("DOMContentLoaded", () => element() && startTabs(takeTurn));
}
