// Tells the server that somebody is there: a key, a press, a wheel, a pointer that moved. The server alone decides when a
// session ends; it warns two minutes before, on every page of the session, and whatever a person does here answers it.

const EVERY = 60_000;
const AT_ONCE = 2_000; // while it warns, or after a report that was lost
const ANSWERED_WITHIN = 8_000;

let toldAt = -Infinity;
let lost = false;
let request = null; // the report under way: one at most, and a stop gives it up
let pointer = ""; // where it was seen last: browsers tell of a move also where only the page has moved

const warning = () => document.getElementById("idle");

async function tell() {
  const form = document.getElementById("still-here");
  if (!form || request) return;
  const here = new AbortController();
  const late = setTimeout(() => here.abort(), ANSWERED_WITHIN);
  request = here;
  toldAt = Date.now();
  lost = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { "HX-Request": "true" },
      signal: here.signal,
      priority: "low",
    });
    if (answer.status === 401) return location.reload();
    lost = !answer.ok;
    if (answer.ok) warning()?.replaceChildren();
  } catch {
    // No answer: what the person does next is told at once.
  } finally {
    clearTimeout(late);
    request = null;
  }
}

export function giveWay() {
  request?.abort();
}

function act() {
  const pause = lost || warning()?.firstElementChild ? AT_ONCE : EVERY;
  // By the clock that goes on while the machine sleeps; it may also be set back.
  if (Math.abs(Date.now() - toldAt) >= pause) tell();
}

function move(event) {
  const there = `${event.screenX} ${event.screenY}`;
  if (pointer && pointer !== there) act();
  pointer = there;
}

// What is done in this document counts: a window that stays on top has one of its own.
export function attend(doc) {
  for (const kind of ["keydown", "pointerdown", "wheel"]) {
    doc.addEventListener(kind, act, { capture: true, passive: true });
  }
  doc.addEventListener("pointermove", move, { capture: true, passive: true });
}

export function startIdle() {
  attend(document);
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "still-here") return;
    event.preventDefault();
    act();
  });
}
