// Rows never jump under the pointer or the focus: while the list is in use, what would move it waits behind a pill.
// A pointer or a focus that rests for some seconds is no use: the list is let go, and a row that has just moved takes no
// click. What waits is not kept here: releasing it asks the stream for the whole window again, the truth by then.

import { reconnect } from "./feed.js";

const QUIET_FOR = 700;
const RESTS_AFTER = 3_000;
const JUST_MOVED = 700;
const waiting = new Set(); // ids of new rows
let stale = false; // something was held back: rows, an order, an end
let letThrough = false;
let usedAt = -Infinity;
let pointer = ""; // where it was seen last: browsers tell of a move also where only the page has moved
let timer;
const places = new WeakMap(); // rows → {top, movedAt}
const BANNERS = ["stale", "stopped", "unanswered", "idle", "notices"]; // they come by themselves, above the list
let bannersHeight = 0;

const list = () => document.getElementById("conferences");
const table = () => list()?.closest("table");
const isAtHand = () => Boolean(table()?.matches(":hover") || list()?.contains(document.activeElement));
const inUse = () => isAtHand() && performance.now() - usedAt < RESTS_AFTER;
const row = (id) => (id ? document.getElementById(id) : null);

function show() {
  const pill = document.getElementById("new-rows");
  if (!pill) return;
  const words = waiting.size === 1 ? pill.dataset.one : pill.dataset.many;
  pill.querySelector("span").textContent = words.replace("%s", waiting.size);
  pill.hidden = !waiting.size;
}

// A row that goes fades where it stands. Only a call that has ended keeps its words: any other may not be ours any more.
function fade(gone) {
  if (!gone.matches(".conference.ended")) for (const cell of gone.children) cell.textContent = "";
  gone.classList.add("ended");
}

function inPlace(task, fresh) {
  const fragment = document.createDocumentFragment();
  fragment.append(fresh);
  return { ...task, fragment, target: row(fresh.id), swapSpec: { ...task.swapSpec, style: "outerMorph" } };
}

// Turn what would move rows into what changes them in place; everything else is left alone.
function hold(tasks) {
  const inserted = new Map();
  for (const task of tasks) {
    // What ended while it waited is not new any more.
    if (!task.target) for (const ended of task.fragment.querySelectorAll(".ended")) waiting.delete(ended.id);
    const inserts = /^(afterend|afterbegin|beforeend|innerMorph)$/.test(task.swapSpec.style);
    if (!inserts || (task.target && task.target !== list() && task.target.parentElement !== list())) continue;
    for (const fresh of [...task.fragment.children]) inserted.set(fresh.id, [task, fresh]);
  }
  const whole = tasks.some((task) => task.swapSpec.style === "innerMorph" && task.target === list());
  const kept = tasks.filter((task) => {
    if (task.target === list()) return false;
    if (task.target?.parentElement !== list()) return task.target !== null;
    if (task.swapSpec.style === "delete") {
      stale = true;
      if (!inserted.has(task.target.id)) fade(task.target);
      waiting.delete(task.target.id);
      return false;
    }
    return task.swapSpec.style !== "afterend";
  });
  for (const [id, [task, fresh]] of inserted) {
    if (row(id)) kept.push(inPlace(task, fresh));
    else if (fresh.matches(".conference")) waiting.add(id);
    stale = stale || !whole || !row(id);
  }
  if (whole) {
    const shown = [...list().children].filter((old) => !old.classList.contains("ended"));
    const order = [...inserted.keys()].filter((id) => row(id));
    for (const old of shown) if (!inserted.has(old.id)) fade(old);
    stale = stale || shown.map((old) => old.id).join() !== order.join();
  }
  return kept;
}

export function release() {
  if (!stale) return;
  letThrough = true;
  waiting.clear();
  stale = false;
  show();
  reconnect();
}

// Once the list has been left alone for a moment, or nothing has moved on it for some seconds, it is put in order again.
function settle() {
  clearTimeout(timer);
  const rests = isAtHand() ? usedAt + RESTS_AFTER - performance.now() : 0;
  timer = setTimeout(() => stale && (inUse() ? settle() : release()), Math.max(rests, QUIET_FOR));
}

function use() {
  usedAt = performance.now();
  settle();
}

function noticePointer(event) {
  const now = `${event.screenX} ${event.screenY}`;
  if (now === pointer) return;
  pointer = now;
  if (table()?.contains(event.target)) use();
}

// What the stream has moved in the list counts as moved; what has moved the whole list does not, unless it was a banner, nor
// what the reader's own filter or page has brought.
function measure(isPushed) {
  const movedAt = isPushed ? performance.now() : -Infinity;
  const start = list()?.getBoundingClientRect().top;
  for (const one of list()?.children ?? []) {
    const top = one.getBoundingClientRect().top - start;
    const before = places.get(one);
    if (!before || Math.abs(before.top - top) > 1) places.set(one, { top, movedAt });
  }
  markMoved();
  if (isPushed) setTimeout(markMoved, JUST_MOVED + 50);
}

const heightOfBanners = () => BANNERS.reduce((sum, id) => sum + (document.getElementById(id)?.offsetHeight ?? 0), 0);

// A banner that comes or goes moves every row at once.
function noticeBanners() {
  const height = heightOfBanners();
  if (height === bannersHeight) return;
  bannersHeight = height;
  const now = performance.now();
  for (const one of list()?.children ?? []) if (places.has(one)) places.get(one).movedAt = now;
  markMoved();
  setTimeout(markMoved, JUST_MOVED + 50);
}

// A click there was meant for the row that stood there before. In my own call's row Monitor is a stop, which always acts.
function markMoved() {
  const mine = `conference-${document.getElementById("my-ear")?.dataset.conference}`;
  const now = performance.now();
  for (const one of list()?.children ?? []) {
    const isMoved = now - places.get(one)?.movedAt < JUST_MOVED;
    one.classList.toggle("just-moved", isMoved && one.id !== mine);
  }
}

export function startHold() {
  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx, tasks } = event.detail;
    if (ctx.sourceElement?.id !== "stream" || !list()) return;
    const whole = tasks.some((task) => task.target === list() && task.swapSpec.style === "innerMorph");
    if (whole && letThrough) {
      letThrough = false;
      return;
    }
    // New rows that would only be added below everything move nothing, but they are rare: they wait as well.
    if (!inUse() && !stale) return;
    tasks.splice(0, tasks.length, ...hold(tasks));
    show();
  });
  document.addEventListener("pointermove", noticePointer);
  document.addEventListener("pointerdown", (event) => table()?.contains(event.target) && use());
  document.addEventListener("pointerout", settle);
  for (const used of ["focusin", "keydown"]) {
    document.addEventListener(used, () => list()?.contains(document.activeElement) && use());
  }
  document.addEventListener("focusout", settle);
  document.addEventListener("htmx:after:swap", (event) => measure(event.detail.ctx?.sourceElement?.id === "stream"));
  measure(false);
  bannersHeight = heightOfBanners();
  const banners = new MutationObserver(noticeBanners);
  for (const id of BANNERS) {
    const banner = document.getElementById(id);
    if (banner) banners.observe(banner, { attributeFilter: ["hidden"], childList: true, subtree: true });
  }
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#new-rows")) release();
  });
  // The reader's own filter answers with a whole window of its own.
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx?.sourceElement?.id === "stream" || !ctx?.text?.includes('hx-target="#conferences"')) return;
    waiting.clear();
    stale = false;
    letThrough = true;
    show();
  });
}
