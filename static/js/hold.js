// Rows never jump under the pointer or the focus: while the list is in use, what would move it waits behind a pill.
// What waits is not kept here: releasing it asks the stream for the whole window again, which is the truth by then.

import { reconnect } from "./clock.js";

const QUIET_FOR = 700;
const waiting = new Set(); // ids of new rows
let stale = false; // something was held back: rows, an order, an end
let letThrough = false;
let timer;

const list = () => document.getElementById("conferences");
const inUse = () => Boolean(list()?.matches(":hover") || list()?.contains(document.activeElement));
const row = (id) => (id ? document.getElementById(id) : null);

function show() {
  const pill = document.getElementById("new-rows");
  if (!pill) return;
  const words = waiting.size === 1 ? pill.dataset.one : pill.dataset.many;
  pill.querySelector("span").textContent = words.replace("%s", waiting.size);
  pill.hidden = !waiting.size;
}

// A row that goes fades where it stands; one that is not ours any more says nothing either.
function fade(gone) {
  if (gone.matches(".conference:not(.ended)")) for (const cell of gone.children) cell.textContent = "";
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
    const style = task.swapSpec.style;
    if (/^(afterend|afterbegin|beforeend|innerMorph)$/.test(style) && (!task.target || task.target === list() || task.target.parentElement === list())) {
      for (const fresh of [...task.fragment.children]) inserted.set(fresh.id, [task, fresh]);
    }
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

// Once the list has been left alone for a moment, it may be put in order again.
function settle() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (stale && !inUse()) release();
  }, QUIET_FOR);
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
  document.addEventListener("pointerout", settle);
  document.addEventListener("focusout", settle);
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#new-rows")) release();
  });
  // The reader's own filter answers with a whole window of its own.
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.sourceElement?.id === "stream" || !event.detail.ctx?.text?.includes('hx-target="#conferences"')) return;
    waiting.clear();
    stale = false;
    letThrough = true;
    show();
  });
}
