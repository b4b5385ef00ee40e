// Two presses for what everyone hears, and a Whisper button that is off while nobody is chosen.

const ARMED_FOR = 5_000;
const ONCE_CONFIRMED = 60_000; // one press is enough so long, in the same call and before the same people
let armed = null; // {role, conference, audience, until}
let confirmed = null; // the same, of the last one that was done

const desk = () => document.getElementById("desk");
const audience = () => [...document.querySelectorAll("#desk input[name=audience]")].map((input) => input.value).join();

const holds = (asked, role) => Boolean(asked && asked.role === role && asked.conference === desk()?.dataset.conference && asked.audience === audience() && Date.now() < asked.until);
const isArmed = (role) => holds(armed, role);
const promise = (role, lasts) => ({ role, conference: desk().dataset.conference, audience: audience(), until: Date.now() + lasts });

function showArmed() {
  for (const button of document.querySelectorAll("#desk button[data-arm]")) {
    const place = button.parentElement;
    const about = place.querySelector("[data-consequence]");
    const on = isArmed(button.value);
    // What a page without scripts has armed for good is armed here by the press itself, for five seconds.
    place.querySelector("input[name=confirmed]")?.remove();
    if (on !== place.classList.contains("armed")) {
      place.classList.toggle("armed", on);
      about.textContent = on ? button.dataset.arm : about.dataset.consequence;
    }
    const hint = document.getElementById("armed-hint");
    if (hint && button.value === "barge") hint.textContent = on ? button.dataset.arm : "";
  }
  if (armed && !isArmed(armed.role)) armed = null;
}

function arm(button) {
  armed = promise(button.value, ARMED_FOR);
  button.focus();
  showArmed();
  setTimeout(showArmed, ARMED_FOR + 50);
}

function guardWhisper() {
  const button = document.querySelector("#desk .role-whisper .role-button");
  const about = document.getElementById("about-whisper");
  if (!button || !about) return;
  const boxes = document.querySelectorAll("#desk input[name=targets]");
  if (!boxes.length) return;
  const nobody = ![...boxes].some((box) => box.checked);
  const mayOtherwise = !button.disabled || button.dataset.nobody !== undefined;
  if (!mayOtherwise) return;
  button.disabled = nobody;
  if (nobody) button.dataset.nobody = "";
  else delete button.dataset.nobody;
  about.textContent = nobody ? about.dataset.nobody : about.dataset.consequence;
}

// What somebody pressed for themselves; not the stream, nor what a page asks every few seconds.
function wishOf(event) {
  const ctx = event.detail.ctx;
  if (!ctx?.sourceElement?.matches?.("a, button, form")) return null;
  return /\/(leave|quieter|disconnect)\/$/.test(ctx.request?.action ?? "") ? "quiet" : "other";
}

// A press that reached nobody must not look as if it had; a Leave least of all.
function tellUnanswered(event) {
  const wish = wishOf(event);
  const status = event.detail.ctx?.response?.status ?? 0;
  if (!wish || (wish === "other" && status > 0 && status < 500)) return;
  for (const about of document.querySelectorAll("#unanswered [data-wish]")) if (about.dataset.wish === wish) about.hidden = false;
  hideAnswered();
}

function hideAnswered() {
  const banner = document.getElementById("unanswered");
  if (banner) banner.hidden = !banner.querySelector("[data-wish]:not([hidden])");
}

function afterSwap() {
  guardWhisper();
  showArmed();
  const heard = document.getElementById("my-ear")?.dataset.heard;
  document.title = document.title.replace(/^\(!\) /, "");
  if (heard && heard !== "no") document.title = `(!) ${document.title}`;
}

export function startDesk() {
  // Before htmx hears of it: the first press only arms, and names who would hear it.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#desk button[data-arm]");
    if (!button || isArmed(button.value) || holds(confirmed, button.value)) return;
    event.preventDefault();
    event.stopPropagation();
    arm(button);
  }, true);
  document.addEventListener("htmx:config:request", (event) => {
    const role = event.detail.ctx.sourceElement?.matches?.("button[data-arm]") && event.detail.ctx.sourceElement.value;
    if (role && (isArmed(role) || holds(confirmed, role))) {
      event.detail.ctx.request.body.set("confirmed", role);
      confirmed = promise(role, ONCE_CONFIRMED);
      armed = null;
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("#desk input[name=targets]")) guardWhisper();
  });
  document.addEventListener("htmx:error", tellUnanswered);
  document.addEventListener("htmx:response:error", tellUnanswered);
  document.addEventListener("htmx:before:swap", (event) => {
    const wish = wishOf(event);
    if (wish) for (const about of document.querySelectorAll("#unanswered [data-wish]")) about.hidden ||= about.dataset.wish === wish;
    hideAnswered();
  });
  document.addEventListener("htmx:after:swap", afterSwap);
  document.addEventListener("htmx:finally:request", showArmed);
  afterSwap();
}
