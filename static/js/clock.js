// Timers tick on the server's time; when heartbeats stop, everything that looks alive stops with them.

const BEHIND_AFTER = 5; // seconds: said in numbers
const LATE_AFTER = 10; // seconds: said in amber
const FAILED_AFTER = 60; // seconds: the board is not live
const JUMPED = 1_000;

let offset = null; // server time minus Date.now()
let liveAt = Date.now();
let beat; // the last heartbeat
let how = "live"; // how this page hears what is new: "live", "polling", "resting", "lost"
let fastest = null; // server time minus performance.now(), from the heartbeat that was least delayed
let heard = -Infinity; // performance.now() of the last heartbeat
let apart = Date.now() - performance.now(); // the two clocks of this machine; sleep drives them apart

export const duration = (ms) => {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
};

function isStale() {
  return how === "resting" || document.documentElement.classList.contains("is-stale");
}

export function tick() {
  if (isStale() || offset === null) return;
  const now = Date.now() + offset;
  growShares(now);
  growSpeech(now);
  for (const timer of document.querySelectorAll("[data-since]")) {
    const text = duration(now - Number(timer.dataset.since));
    if (timer.textContent !== text) timer.textContent = text;
  }
}

// The turn that runs makes its speaker's share grow, each second (dashboard/durations.py draws the same bars).
function growShares(now) {
  for (const bar of document.querySelectorAll("svg[data-talks]:not([data-talks=''])")) {
    const seconds = bar.dataset.talk.split(" ").map(Number);
    seconds[bar.dataset.talks] += Math.max(0, (now - Number(bar.dataset.from)) / 1000);
    const whole = seconds.reduce((sum, part) => sum + part, 0);
    if (!whole) continue;
    const [first, last] = [seconds[0], seconds.at(-1)].map((part) => Math.round((100 * part) / whole));
    const [left, right] = bar.children;
    if (left.getAttribute("width") !== `${first}%`) left.setAttribute("width", `${first}%`);
    if (right.getAttribute("width") === `${last}%`) continue;
    right.setAttribute("x", `${100 - last}%`);
    right.setAttribute("width", `${last}%`);
  }
}

// A live strip of who spoke when ends now, and so does the turn that runs (dashboard/durations.py draws the same).
function growSpeech(now) {
  for (const lane of document.querySelectorAll("svg.speech-lane[data-from]")) {
    const whole = Math.max(1, (now - Number(lane.dataset.from)) / 1000).toFixed(1);
    lane.setAttribute("viewBox", `0 0 ${whole} 10`);
    const running = lane.querySelector("[data-runs]");
    running?.setAttribute("width", Math.max(0, whole - running.getAttribute("x")).toFixed(1));
  }
}

function indicate() {
  const clock = document.getElementById("clock");
  if (!clock) return;
  const lag = beat?.lag ?? null;
  // What is polled is as old as its newest comparison: no event says when it happened.
  const behind = lag === null && beat?.polled == null ? null : Math.max(lag ?? 0, beat.polled ?? 0) / 1000;
  const late = behind > LATE_AFTER;
  // A first start: nothing that is shown is old, but not everybody in every call has been read yet.
  const unsure = beat?.live === false;
  const { stale, unsure: comparing, late: delayed, resting, every, quiet, behind: current } = clock.dataset;
  let words = behind > BEHIND_AFTER ? current : quiet;
  if (how === "resting") words = resting;
  else if (isStale()) words = stale;
  else if (unsure) words = comparing;
  else if (lag > LATE_AFTER * 1000) words = delayed;
  else if (how === "polling") words = every;
  const { byWebhooks: webhooks, byCopies: copies, byPolling: polling, byMixed: mixed } = clock.dataset;
  const live = { webhooks, copies, polling, mixed }[beat?.feed];
  clock.className = `clock ${isStale() ? "stale" : late || unsure ? "late" : "live"}`;
  const shown = clock.querySelector("[data-clock-text]");
  shown.textContent = words.replace("{live}", live).replace("{seconds}", behind?.toFixed(0));
}

// Which of the three clocks failed, and since when (server time): the stream, the webhooks, the comparison with Telnyx.
function failure() {
  if (how === "lost") return ["stream", liveAt];
  if (!beat) return null;
  // Nobody tells any more what happens: a floor that only looks quiet is not live.
  if (beat.stopped) return ["feed", beat.stopped];
  if (beat.lag > FAILED_AFTER * 1000) return ["ingest", beat.now - beat.lag];
  if (beat.truth === null) return ["first", null];
  // Telnyx answers again, but rows from before the outage are not live until each has been read once more.
  if (beat.gap || beat.truth > FAILED_AFTER) return ["truth", beat.since ?? beat.now - beat.truth * 1000];
  return null;
}

function judge() {
  const failed = failure();
  document.documentElement.classList.toggle("is-stale", Boolean(failed));
  const banner = document.getElementById("stale");
  if (banner) {
    for (const why of banner.querySelectorAll("[data-why]")) {
      why.hidden = why.dataset.why !== failed?.[0];
      const since = why.querySelector("[data-stale-since]");
      if (!since || !failed?.[1] || why.hidden) continue;
      since.textContent = new Date(failed[1]).toLocaleTimeString([], { hour12: false });
    }
    for (const problem of banner.querySelectorAll("[data-problem]")) problem.textContent = beat?.problem ?? "";
    banner.hidden = !failed;
  }
  indicate();
}

// A machine that slept: what was learned of the server's time is worth nothing any more.
function forgetAfterSleep() {
  const now = Date.now() - performance.now();
  if (Math.abs(now - apart) > JUMPED) fastest = null;
  apart = now;
}

// The server's time at a moment of performance.now(), in whole milliseconds; null before the first heartbeat.
export function serverTimeAt(moment) {
  forgetAfterSleep();
  return fastest === null ? null : Math.round(fastest + moment);
}

export function forgetServerTime() {
  fastest = null;
}

export const heardAt = () => heard;

export function hear(news, receivedAt) {
  heard = performance.now();
  beat = news;
  offset = beat.now - Date.now();
  liveAt = Date.now();
  forgetAfterSleep();
  fastest = Math.max(fastest ?? -Infinity, beat.now - receivedAt);
}

export function say(what) {
  how = what;
  judge();
  tick();
}

export function startClock() {
  const shown = document.getElementById("clock");
  if (shown) offset = Number(shown.dataset.now) * 1000 - (performance.timeOrigin + performance.now());
  document.addEventListener("htmx:after:swap", tick);
  setInterval(() => {
    forgetAfterSleep();
    tick();
  }, 1000);
}
