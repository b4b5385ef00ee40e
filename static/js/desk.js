// Two presses for what everyone hears, and a Whisper button that is off while nobody is chosen.

const ARMED_FOR = 5_000;
const ONCE_CONFIRMED = 60_000; // one press is enough so long, in the same call and before the same people
let armed = null; // {role, conference, audience, until}
let confirmed = null; // the same, of the last one that was done

const desk = () => document.getElementById("desk");
const audience = () => [...document.querySelectorAll("#desk input[name=audience]")].map((input) => input.value).join();

const isStillSo = (asked) => asked.conference === desk()?.dataset.conference && asked.audience === audience();
const holds = (asked, role) => asked?.role === role && isStillSo(asked) && Date.now() < asked.until;
const isArmed = (role) => holds(armed, role);
const promise = (role, lasts) => {
  return { role, conference: desk().dataset.conference, audience: audience(), until: Date.now() + lasts };
};

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
  }
  // Spoken, too, where it appears.
  const hint = document.getElementById("armed-hint");
  if (hint) hint.textContent = document.querySelector("#desk .armed [data-arm]")?.dataset.arm ?? "";
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

function afterSwap() {
  guardWhisper();
  showArmed();
  // Whom no whisper has named hears me, or may hear me.
  const beyond = document.querySelector("#my-ear.beyond:not([data-heard=nobody])");
  document.title = document.title.replace(/^\(!\) /, "");
  if (beyond) document.title = `(!) ${document.title}`;
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
      event.detail.ctx.confirms = promise(role, ONCE_CONFIRMED);
      armed = null;
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("#desk input[name=targets]")) guardWhisper();
  });
  document.addEventListener("htmx:after:swap", afterSwap);
  // Only what Floorline has taken on: a press that was refused, or reached nobody, asks for two again.
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.confirms && ctx.response?.status === 200) confirmed = ctx.confirms;
    showArmed();
  });
  afterSwap();
}
