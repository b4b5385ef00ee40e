// What a press was answered ends with the next press, when what it was about has changed, or after a while.

import { heardAt } from "./clock.js";
import { endFailures } from "./unanswered.js";

const LASTS = 20_000; // as long as the desk tells a refused command (dashboard/desk/command_status.py)
const READ_FOR = 5_000; // so long at least: "somebody joined" changes who is in the call itself
const SETTLES = 2_000; // until then the refused press itself moves the ear there and back
const LOOKS_EVERY = 500;

let refused = null; // the refusal that is shown: {node, since, people, line}
let stopped = null; // what the emergency stop said: {node, since}

const ear = () => document.getElementById("my-ear")?.dataset ?? {};
// A line that rings or is parked may still be brought into a call, so only one that is down is certainly out.
const isOut = () => ["away", "no-line"].includes(ear().place);

// What refusals are about: who is in the call, and where my line is.
const people = () => [...document.querySelectorAll("#desk input[name=audience]")].map((input) => input.value).join();
const line = () => [ear().place, ear().conference, ear().role].join();

function endRefusal(now) {
  const place = document.getElementById("refusal");
  const node = place?.firstElementChild ?? null;
  if (node !== (refused?.node ?? null)) refused = node && { node, since: now, people: people(), line: null };
  if (!refused) return;
  const age = now - refused.since;
  if (refused.line === null && age > SETTLES) refused.line = line();
  const moved = refused.line !== null && refused.line !== line();
  const changed = moved || refused.people !== people();
  if (age > LASTS || (changed && age > READ_FOR)) place.replaceChildren();
}

// Whom Telnyx has confirmed to be out is told so until the top bar shows no call any more; whoever may still be in one is
// told to hang up until the phone is down.
const isOver = (node) => isOut() || ("out" in node.dataset && ear().place !== "in-conference");

// A heartbeat comes out of the database: it answers again, and the top bar says what is so.
function endStopped(now) {
  const place = document.getElementById("stopped");
  const node = place?.firstElementChild ?? null;
  if (node !== (stopped?.node ?? null)) stopped = node && { node, since: now };
  if (stopped && heardAt() > stopped.since + SETTLES && isOver(stopped.node)) place.replaceChildren();
}

function look() {
  const now = performance.now();
  endRefusal(now);
  endStopped(now);
  endFailures((press, since) => (press === "quiet" ? isOut() && heardAt() > since + SETTLES : now - since > LASTS));
}

export function startTold() {
  // At once, too: who is in the call may change before the next look.
  document.addEventListener("htmx:after:swap", look);
  setInterval(look, LOOKS_EVERY);
}
