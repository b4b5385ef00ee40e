// The keyboard map. Keys only press what is on the page: whatever a key does, a button does too.

const rows = () => [...document.querySelectorAll("#conferences > tr:not(.ended)")];
const link = (row) => row?.querySelector("a[id^=name-]");
const press = (selector) => document.querySelector(`${selector}:not(:disabled)`)?.click();

function focusedRow() {
  return document.activeElement?.closest?.("#conferences > tr");
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const here = all.indexOf(focusedRow());
  const next = here < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + step));
  link(all[next]).focus();
}

// Louder roles act only where my ear is; from elsewhere the key first brings that call to the desk.
function loud(role) {
  const mine = document.getElementById("my-ear")?.dataset.conference;
  if (!mine) return;
  if (document.getElementById("desk")?.dataset.conference === mine) press(`#desk .role-${role} .role-button`);
  else document.querySelector("[data-my-conference]")?.click();
}

function toggleKeys() {
  const dialog = document.getElementById("keys");
  if (dialog?.open) dialog.close();
  else dialog?.showModal();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  m: () => (focusedRow() ? focusedRow().querySelector(".c-act button")?.click() : press("#desk .role-monitor .role-button")),
  w: () => loud("whisper"),
  b: () => loud("barge"),
  x: () => press("[data-leave]"),
  Escape: () => press("[data-quieter]"),
  "/": () => document.getElementById("q")?.focus(),
  "?": toggleKeys,
};

function typing(target) {
  return target.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat && !"jk".includes(event.key)) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target) || document.getElementById("keys")?.open) return;
    if (/^[1-9]$/.test(event.key)) {
      const box = document.querySelector(`#desk input[data-key="${event.key}"]`);
      if (box) box.click();
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-open-keys]")) toggleKeys();
  });
}
