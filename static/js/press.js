// A press has a time and a number of its own: those of the click or key, not of when its request leaves.
// A stop gives up everything else that this page asks for; a louder press that waited too long is given up itself.

import { serverTimeAt } from "./clock.js";
import { pause } from "./feed.js";
import { giveWay } from "./idle.js";
import { nextPress } from "./page.js";
import { sayLate, sayWaits } from "./unanswered.js";

const GIVEN_UP_AFTER = 5_000;
const WAITS_AFTER = 2_000;
const GIVES_WAY_AFTER = 30;
const HOP_WITHIN = 60_000;
const ROLE = /^\/conferences\/([\w-]+)\/role\/$/;
const STOP = /^\/(leave|quieter|ear\/disconnect|accounts\/logout)\/$/;
const OTHER = /^\/(monitor|ear\/connect|ear\/follow)\/$/;

const pending = new Set(); // htmx' requests of this page, each until it is answered
const stops = new WeakMap(); // those of them that are stops → {path, at, abort}
let entered = []; // {conference, at}: role and monitor presses of the last minute

const pathOf = (action) => new URL(action, location.href).pathname;
const myConference = () => document.getElementById("my-ear")?.dataset.conference ?? "";

// The conference that a role or Monitor press is for.
function conferenceOf(path, body) {
  return ROLE.exec(path)?.[1] ?? (path === "/monitor/" ? body.get("monitor") : null);
}

function kindOf(path, body) {
  if (STOP.test(path)) return "stop";
  const conference = conferenceOf(path, body);
  if (conference === null) return OTHER.test(path) ? "other" : null;
  // In a row of the call I am in, Monitor is the way back to silence.
  const monitors = path === "/monitor/" || body.get("role") === "monitor";
  return monitors && conference === myConference() ? "stop" : "louder";
}

function mark(path, body, at) {
  const here = myConference();
  entered = entered.filter((one) => at - one.at < HOP_WITHIN);
  for (const [name, value] of Object.entries(nextPress())) body.set(name, value);
  const pressedAt = serverTimeAt(at);
  if (pressedAt !== null) body.set("pressed_at", String(pressedAt));
  if (entered.some((one) => one.conference !== here)) body.set("hop", "1");
  const conference = conferenceOf(path, body);
  if (conference) entered.push({ conference, at });
}

// Nothing of this page may stand before a stop, except another stop; the same one only while it is young.
function clearTheWay(ctx, path, at) {
  for (const other of pending) {
    if (other === ctx) continue;
    const before = stops.get(other);
    if (!before) other.request.abort();
    else if (before.path === path && at - before.at > WAITS_AFTER) before.abort();
  }
  stops.set(ctx, { path, at, abort: ctx.request.abort });
  ctx.request.abort = () => {}; // nor does a later press from the same form take its place
  ctx.request.priority = "high";
  ctx.request.timeout = 0; // never given up
  // First the stop stands in the browser's line, then a connection gets free: else the next one in the line takes it.
  ctx.fetch = (action, options) => {
    setTimeout(() => {
      if (!pending.has(ctx) || ctx.response) return;
      ctx.resume = pause();
      giveWay();
    }, GIVES_WAY_AFTER);
    return fetch(action, options);
  };
}

function giveUp(ctx) {
  if (!pending.delete(ctx) || ctx.response) return;
  ctx.request.abort(); // also where htmx or the browser holds it back: it is not sent any more
  sayLate();
}

function prepare(event) {
  const { ctx } = event.detail;
  const at = ctx.sourceEvent?.timeStamp || performance.now();
  pending.add(ctx);
  if (ctx.request.method !== "POST") return;
  const path = pathOf(ctx.request.action);
  const kind = kindOf(path, ctx.request.body);
  if (!kind) return;
  ctx.isStop = kind === "stop";
  mark(path, ctx.request.body, at);
  if (kind === "stop") clearTheWay(ctx, path, at);
  if (kind === "louder") setTimeout(giveUp, GIVEN_UP_AFTER - (performance.now() - at), ctx);
  setTimeout(() => pending.has(ctx) && ctx.status === "issuing" && !ctx.response && sayWaits(ctx), WAITS_AFTER);
}

// Forms that the browser sends itself: signing out, connecting from the ear's own page.
function prepareForm(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  const path = pathOf(event.submitter?.getAttribute("formaction") ?? form.action);
  const at = event.timeStamp;
  if (!STOP.test(path) && !OTHER.test(path)) return;
  if (STOP.test(path)) {
    pause();
    giveWay();
  }
  form.addEventListener("formdata", ({ formData }) => mark(path, formData, at), { once: true });
}

export function startPress() {
  document.addEventListener("htmx:config:request", prepare);
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    pending.delete(ctx);
    ctx.resume?.();
  });
  document.addEventListener("submit", prepareForm);
}
