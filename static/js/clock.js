// Timers tick on the server's time; when heartbeats stop, everything that looks alive stops with them.

const STALE_AFTER = 12_000;
const SLEPT = 8_000;

let offset = null; // server time minus ours
let heardAt = performance.now();
let lastTick = Date.now();
let liveAt = Date.now();
let lag;

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
  const seconds = lag === null || lag === undefined ? null : lag / 1000;
  const words = isStale() ? clock.dataset.stale : seconds === null ? clock.dataset.quiet : seconds > 10 ? clock.dataset.late : clock.dataset.live;
  clock.className = `clock ${isStale() ? "stale" : seconds > 10 ? "late" : "live"}`;
  clock.querySelector("[data-clock-text]").textContent = words.replace("%s", seconds === null ? "" : seconds.toFixed(1));
}

function setStale(stale) {
  document.documentElement.classList.toggle("is-stale", stale);
  const banner = document.getElementById("stale");
  if (!banner) return;
  if (stale && banner.hidden) banner.querySelector("[data-stale-since]").textContent = new Date(liveAt).toLocaleTimeString([], { hour12: false });
  banner.hidden = !stale;
  indicate();
}

// A stalled connection never ends by itself: put a fresh stream element in the old one's place.
function reconnect() {
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
    const beat = JSON.parse(event.detail.data);
    offset = beat.now - Date.now();
    lag = beat.lag;
    heardAt = performance.now();
    liveAt = Date.now();
    setStale(false);
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
      setStale(true);
      reconnect();
    }
    tick();
  }, 1000);
}
