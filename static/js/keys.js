// The keyboard map. Keys only press what is on the page: whatever a key does, a button or a link does too.

import { release } from "./hold.js";
import { closeMenuAround } from "./menus.js";
import { speak } from "./summary.js";

let landing = null; // the link that a key has followed to another window, whose first row takes the focus

const rows = () => [...document.querySelectorAll("#conferences > .conference:not(.ended)")];
const link = (row) => row?.querySelector("th a");
const press = (selector) => document.querySelector(`${selector}:not(:disabled)`)?.click();
const focusedRow = () => document.activeElement?.closest?.("#conferences > tr");

function focusRow(row) {
  link(row)?.focus();
  row?.scrollIntoView({ block: "nearest" });
}

function move(step, wanted = () => true) {
  const all = rows();
  const here = all.indexOf(focusedRow());
  for (let at = here < 0 && step < 0 ? all.length - 1 : here + step; at >= 0 && at < all.length; at += step) {
    if (wanted(all[at])) return focusRow(all[at]);
  }
}

function nextThatNeedsMe() {
  const needs = rows().filter((row) => row.classList.contains("attention"));
  const all = rows();
  const here = all.indexOf(focusedRow());
  const next = needs.find((row) => all.indexOf(row) > here);
  const onward = next ? null : elsewhere(needs.length);
  if (onward) {
    landing = onward;
    onward.click();
  } else if (next || needs.length) focusRow(next ?? needs[0]);
  else document.querySelector("#counters .needs")?.focus();
}

// A window holds forty rows: the others that need me are behind the tile, and once there, on the next page.
function elsewhere(here) {
  const tile = document.querySelector("#counters .needs");
  if (!tile || Number(tile.querySelector("strong").textContent) <= here) return null;
  return tile.hasAttribute("aria-current") ? document.querySelector("#window a[rel=next]") : tile;
}

function land(event) {
  if (!landing || event.detail.ctx?.sourceElement !== landing) return;
  landing = null;
  focusRow(rows()[0]);
}

// Louder roles act only where my ear is; from elsewhere the key first brings that call to the desk.
function loud(role) {
  const mine = document.getElementById("my-ear")?.dataset.conference;
  if (!mine) return;
  if (document.getElementById("desk")?.dataset.conference === mine) press(`#desk .role-${role} .role-button`);
  else document.querySelector("[data-my-conference]")?.click();
}

// A line that only names a call presses the button of that call's row, or of the desk where it is open there.
function monitor() {
  const row = focusedRow();
  const call = row?.id.replace(/^(conference|also-\d+)-/, "");
  const button = row && document.querySelector(`#conference-${call} .col-act button`);
  if (button?.disabled) row.querySelector("a").click(); // the desk says why
  else if (button) button.click();
  else if (!row || document.getElementById("desk")?.dataset.conference === call) press("#desk .role-monitor .role-button");
}

function toggleKeys() {
  const dialog = document.getElementById("keys");
  if (dialog?.open) dialog.close();
  else dialog?.showModal();
}

function openViews() {
  const views = document.querySelector("details.views");
  if (!views) return;
  views.open = true;
  views.querySelector("summary").focus();
}

const ACTIONS = {
  next: () => move(1),
  previous: () => move(-1),
  needs: nextThatNeedsMe,
  monitor,
  whisper: () => loud("whisper"),
  barge: () => loud("barge"),
  leave: () => press("[data-leave]"),
  hangup: () => press("[data-hangup]"),
  follow: () => press("#desk [data-follow]"),
  summary: speak,
  note: () => document.getElementById("note")?.focus(),
  search: () => document.getElementById("q")?.focus(),
  filters: openFilters,
  views: openViews,
  new: release,
  help: toggleKeys,
};

// Where the filters have no room on the page, they are in a sheet.
function openFilters() {
  const first = document.querySelector("#filters select");
  if (first && !first.checkVisibility()) document.getElementById("more-filters").showPopover();
  first?.focus();
}

function typing(target) {
  return target.matches?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
}

// A dialog takes every key, an open sheet those that are pressed in it.
function takesKeys(target) {
  return Boolean(document.querySelector("dialog:modal") || target.closest?.(":popover-open"));
}

function choose(key) {
  document.querySelector(`#desk input[data-key="${key}"]`)?.click();
}

export function startKeys() {
  const dialog = document.getElementById("keys");
  const map = JSON.parse(dialog?.dataset.keys || "{}");
  const off = !Object.keys(map).length;
  const keyOf = Object.fromEntries(Object.entries(map).map(([key, name]) => [name, key]));
  const label = () => {
    for (const hints of document.querySelectorAll(".hints")) hints.hidden = off;
    for (const kbd of document.querySelectorAll("kbd[data-kbd]")) {
      const key = keyOf[kbd.dataset.kbd];
      if (off) kbd.hidden = true;
      else if (key && kbd.textContent !== key) kbd.textContent = key;
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    // Esc first closes what the focus is in, and nothing else; the next one gets quieter, which is never switched off.
    if (event.key === "Escape" && closeMenuAround(event.target)) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target) || takesKeys(event.target)) return;
    if (event.key === "Escape") return press("[data-quieter]");
    const name = map[event.key];
    if (off || (event.repeat && name !== "next" && name !== "previous")) return;
    if (/^[1-9]$/.test(event.key)) return choose(event.key);
    if (!name) return;
    event.preventDefault();
    ACTIONS[name]?.();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-open-keys]")) toggleKeys();
  });
  document.addEventListener("htmx:after:swap", land);
  document.addEventListener("htmx:after:swap", label);
  label();
}
