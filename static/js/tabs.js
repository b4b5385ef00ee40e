// Decides which pages of one browser stream: it opens six connections to a server over HTTP/1.1, and a stream holds one.
// Every page tells the others when it was seen last and whether it is hidden; all decide alike, and no timer takes part
// (docs/decisions/0010).

import { PAGE } from "./page.js";

const STREAMS = 2; // of the pages that are seen
const ANSWERS_WITHIN = 300; // a page that is opened hidden first hears who else is there

const others = new Map(); // page → {at, hidden}
let seenAt = document.hidden ? 0 : Date.now();
let isGone = false;
let isKept = false; // a window of this page stays on top: it is seen wherever its tab is
let channel;
let turn = "rest";
let onTurn;

export const isHidden = () => document.hidden && !isKept;
// What stays on top always streams: nobody may read there what was true some seconds ago.
const rank = () => (isKept ? Number.MAX_SAFE_INTEGER : seenAt);

function decide() {
  const seen = ([, other]) => !other.hidden;
  const newer = [...others].filter(([page, other]) => other.at > rank() || (other.at === rank() && page > PAGE));
  let next = "rest";
  if (!isHidden()) next = newer.filter(seen).length < STREAMS ? "stream" : "poll";
  // Where no page is seen, the one that was seen last goes on: its stream proves to the server that a page is open.
  else if (!newer.length && ![...others].some(seen)) next = "stream";
  if (next === turn) return;
  turn = next;
  onTurn(turn);
}

function announce(more) {
  if (isGone && !more?.gone) return; // a page that is left is said to be hidden afterwards
  channel.postMessage({ page: PAGE, at: rank(), hidden: isHidden(), ...more });
}

function changed() {
  if (!document.hidden) seenAt = Date.now();
  announce();
  decide();
}

function hear({ data }) {
  if (data.gone) others.delete(data.page);
  else others.set(data.page, { at: data.at, hidden: data.hidden });
  if (data.asks) announce();
  decide();
}

export function keepSeen(keep) {
  isKept = keep;
  changed();
}

// Calls back with "stream", "poll" or "rest", now and whenever it changes.
export function startTabs(callBack) {
  onTurn = callBack;
  channel = new BroadcastChannel("floorline-pages");
  channel.addEventListener("message", hear);
  announce({ asks: true });
  document.addEventListener("visibilitychange", changed);
  window.addEventListener("focus", changed);
  window.addEventListener("pagehide", () => {
    isGone = true;
    announce({ gone: true });
  });
  window.addEventListener("pageshow", (event) => {
    isGone = false;
    if (event.persisted) changed();
  });
  if (document.hidden) setTimeout(decide, ANSWERS_WITHIN);
  else decide();
}
