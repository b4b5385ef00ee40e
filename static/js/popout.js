// A small window that stays on top: the top bar's own line, mirrored while this page is open, with Leave and Quieter.
// Where a browser has no such windows, it opens the same line as a page of its own (/ear/small/).

import { tick } from "./clock.js";
import { watch } from "./feed.js";
import { attend } from "./idle.js";
import { keepSeen } from "./tabs.js";

const SIZE = { width: 380, height: 200 };
const MIRRORED = ["stale", "stopped", "unanswered", "idle", "refusal", "my-ear"];
let small = null; // the window that stays on top
let opening = false;
let ordinary = null; // the one that a browser without such windows opened

const timers = (node) => [...node.querySelectorAll("[data-since]")];

// A copy without the notes that each reading seals anew.
function copyOf(source) {
  const copy = small.document.importNode(source, true);
  for (const note of copy.querySelectorAll("input")) note.remove();
  return copy;
}

// A node without the times that tick in it.
function still(node) {
  const copy = node.cloneNode(true);
  for (const timer of timers(copy)) timer.textContent = "";
  return copy;
}

function show(source, place) {
  const [copy, shown] = [copyOf(source), place.firstElementChild];
  if (shown && still(copy).isEqualNode(still(shown))) {
    const ticking = timers(shown);
    for (const [number, timer] of timers(copy).entries()) ticking[number].textContent = timer.textContent;
    return;
  }
  const focused = place.contains(small.document.activeElement) && small.document.activeElement.getAttribute("formaction");
  place.replaceChildren(copy);
  if (focused) place.querySelector(`[formaction="${focused}"]`)?.focus();
}

function mirror() {
  if (!small) return;
  // Signed out: nothing may stay on any screen.
  if (!document.getElementById("my-ear")) return small.close();
  for (const { name, value } of document.documentElement.attributes) {
    // The content security policy forbids styles.
    if (name !== "style") small.document.documentElement.setAttribute(name, value);
  }
  for (const id of MIRRORED) show(document.getElementById(id), small.document.querySelector(`[data-place-of="${id}"]`));
}

// A press in the small window is a press of the button that it mirrors, in the page that is live.
function press(selector) {
  document.querySelector(`#my-ear ${selector}`)?.click();
}

function pressed(event) {
  const control = event.target.closest?.("button[formaction], a");
  if (!control) return;
  event.preventDefault();
  if (control.matches("button")) return press(`button[formaction="${control.getAttribute("formaction")}"]`);
  window.focus();
  if (!control.getAttribute("href")) location.reload(); // the link in the banner
  else if (!control.matches("[data-my-conference]")) press(`a[href="${control.getAttribute("href")}"]`);
}

function fill({ document: doc }, name) {
  doc.title = `${name} · Floorline`;
  for (const sheet of document.querySelectorAll("link[rel=stylesheet]")) {
    const link = doc.createElement("link");
    Object.assign(link, { rel: "stylesheet", href: sheet.href });
    doc.head.append(link);
  }
  const page = doc.createElement("main");
  page.className = "page small-window";
  const heading = doc.createElement("h1");
  Object.assign(heading, { className: "visually-hidden", textContent: name });
  for (const id of MIRRORED) page.append(Object.assign(doc.createElement("div"), { className: "mirrored" }));
  for (const [number, place] of [...page.children].entries()) place.dataset.placeOf = MIRRORED[number];
  page.prepend(heading);
  doc.body.append(page);
  attend(doc);
  doc.addEventListener("click", pressed);
  doc.addEventListener("keydown", (event) => event.key === "Escape" && press("[data-quieter]"));
}

async function openOnTop(name) {
  const mine = await documentPictureInPicture.requestWindow(SIZE);
  small = mine;
  keepSeen(true);
  fill(small, name);
  mirror();
  const observer = new MutationObserver(mirror);
  observer.observe(document.documentElement, { attributes: true, childList: true, characterData: true, subtree: true });
  // By the timer of the window that is seen: those of a page in the background are slowed down.
  mine.setInterval(() => {
    watch();
    tick();
    mirror();
  }, 1000);
  mine.addEventListener("pagehide", () => {
    observer.disconnect();
    if (small !== mine) return;
    small = null;
    keepSeen(false);
  });
}

function openOrdinary(address) {
  ordinary = window.open(address, "floorline-small", `popup,width=${SIZE.width},height=${SIZE.height}`);
  return ordinary !== null;
}

export function startPopout() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-small-window]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if ("documentPictureInPicture" in window) {
      event.preventDefault();
      if (opening) return;
      if (small) return small.close();
      opening = true;
      openOnTop(link.dataset.smallWindow)
        .catch(() => openOrdinary(link.href))
        .finally(() => (opening = false));
    } else if (openOrdinary(link.href)) event.preventDefault();
  });
  window.addEventListener("pagehide", () => ordinary?.close());
}
