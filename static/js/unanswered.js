// A press that has no answer, or reached nobody, must not look as if it had been done; a Leave least of all.

// A sign-in, a refusal or a search that must wait says so itself; after any other status from 400 on nothing was done.
const TELLS_ITSELF = new Set([401, 422, 429]);

const waiting = new Map(); // requests without an answer after two seconds → "quiet-waits" or "other-waits"
const failed = new Map(); // "quiet", "other", "late" → since when

function show() {
  const banner = document.getElementById("unanswered");
  if (!banner) return;
  const said = new Set([...failed.keys(), ...waiting.values()]);
  for (const about of banner.querySelectorAll("[data-press]")) about.hidden = !said.has(about.dataset.press);
  banner.hidden = !said.size;
}

// What somebody pressed for themselves; not what a page asks every few seconds.
function pressOf(event) {
  const ctx = event.detail.ctx;
  if (!ctx?.sourceElement?.matches?.("a, button, form")) return null;
  return ctx.isStop ? "quiet" : "other";
}

function isAnswered(event) {
  const status = event.detail.ctx?.response?.status ?? 0;
  return (status > 0 && status < 400) || TELLS_ITSELF.has(status);
}

function tellFailure(event) {
  const press = pressOf(event);
  if (!press || isAnswered(event)) return;
  failed.set(press, performance.now());
  show();
}

export function sayWaits(ctx) {
  waiting.set(ctx, ctx.isStop ? "quiet-waits" : "other-waits");
  show();
}

export function sayLate() {
  failed.set("late", performance.now());
  show();
}

// Take back what failed where it is over, by what failed and since when.
export function endFailures(isOver) {
  const over = [...failed].filter(([press, since]) => isOver(press, since));
  for (const [press] of over) failed.delete(press);
  if (over.length) show();
}

export function startUnanswered() {
  document.addEventListener("htmx:error", tellFailure);
  document.addEventListener("htmx:response:error", tellFailure);
  document.addEventListener("htmx:before:swap", (event) => {
    const press = pressOf(event);
    if (!press || !isAnswered(event)) return; // htmx announces a swap for an error too
    failed.delete(press);
    failed.delete("late");
    show();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    waiting.delete(event.detail.ctx);
    show();
  });
}
