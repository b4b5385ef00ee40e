// Timers tick on the server's time; when heartbeats stop, everything that looks alive stops with them.

const STALE_AFTER = 12_000;
const SLEPT = 8_000;
const LATE_AFTER = 10; // seconds: said in amber
const FAILED_AFTER = 60; // seconds: the board is not live

let offset = null; // server time minus ours
let heardAt = performance.now();
let lastTick = Date.now();
let liveAt = Date.now();
let beat; // the last heartbeat
let streamLost = false;

export const duration = (ms) => {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
};

function isStale() {
  return document.documentElement.classList.contains("is-stale");
}

function tick() {
  if (isStale() || offset === null) return;
  const now = Date.now() + offset;
  for (const timer of document.querySelectorAll("[data-since]")) {
    const text = duration(now - Number(timer.dataset.since));
    if (timer.textContent !== text) timer.textContent = text;
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
  const words = isStale() ? clock.dataset.stale : unsure ? clock.dataset.unsure : behind === null ? clock.dataset.quiet : lag > LATE_AFTER * 1000 ? clock.dataset.late : clock.dataset.behind;
  const feeds = { webhooks: clock.dataset.byWebhooks, copies: clock.dataset.byCopies, polling: clock.dataset.byPolling, mixed: clock.dataset.byMixed };
  clock.className = `clock ${isStale() ? "stale" : late || unsure ? "late" : "live"}`;
  clock.querySelector("[data-clock-text]").textContent = words.replace("{live}", feeds[beat?.feed]).replace("{seconds}", behind?.toFixed(1));
}

// Which of the three clocks failed, and since when (server time): the stream, the webhooks, the comparison with Telnyx.
function failure() {
  if (streamLost) return ["stream", liveAt];
  if (!beat) return null;
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
      if (since && failed?.[1] && !why.hidden) since.textContent = new Date(failed[1]).toLocaleTimeString([], { hour12: false });
    }
    const problem = banner.querySelector("[data-problem]");
    if (problem) problem.textContent = beat?.problem ?? "";
    banner.hidden = !failed;
  }
  indicate();
}

// A stalled connection never ends by itself: put a fresh stream element in the old one's place.
export function reconnect() {
  const stream = document.getElementById("stream");
  if (!stream || !window.htmx) return;
  const fresh = stream.cloneNode();
  fresh.removeAttribute("data-htmx-powered");
  window.htmx.swap({ text: fresh.outerHTML, target: stream, swap: "outerHTML", sourceElement: document.body });
  heardAt = performance.now();
}

export function startClock() {
  const shown = document.getElementById("clock");
  if (shown) offset = Number(shown.dataset.now) * 1000 - (performance.timeOrigin + performance.now());
  document.addEventListener("heartbeat", (event) => {
    beat = JSON.parse(event.detail.data);
    offset = beat.now - Date.now();
    heardAt = performance.now();
    liveAt = Date.now();
    streamLost = false;
    judge();
    tick();
  });
  document.addEventListener("htmx:after:swap", tick);
  // The session is over: nothing may stay on the screen.
  document.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) location.reload();
  });
  setInterval(() => {
    // A laptop that slept: its clock jumped, and what it shows is as old as the nap.
    const slept = Date.now() - lastTick > SLEPT;
    lastTick = Date.now();
    if (document.getElementById("stream") && (slept || performance.now() - heardAt > STALE_AFTER)) {
      streamLost = true;
      judge();
      reconnect();
    }
    tick();
  }, 1000);
}
