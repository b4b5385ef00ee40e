// A note that is being written survives another call on the desk, a reload and a session that ends by itself, in this
// tab only; whoever signs out leaves none.

const KEY = "floorline-note-";
const field = () => document.getElementById("note");

function restore() {
  const note = field();
  if (note && !note.value) note.value = sessionStorage.getItem(KEY + note.dataset.draft) ?? "";
}

function forgetAll() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(KEY)) sessionStorage.removeItem(key);
}

export function startNotes() {
  document.getElementById("sign-out")?.addEventListener("submit", forgetAll);
  document.addEventListener("input", (event) => {
    if (event.target.id === "note") sessionStorage.setItem(KEY + event.target.dataset.draft, event.target.value);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id === "note" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      document.querySelector("#note-box button")?.click();
    }
  });
  // Saved: the answer brings an empty field, the draft must not fill it again, and the keys work again.
  let saved = false;
  document.addEventListener("htmx:before:swap", (event) => {
    saved = event.detail.tasks.some((task) => task.target?.id === "note-box");
    if (saved) sessionStorage.removeItem(KEY + field()?.dataset.draft);
  });
  document.addEventListener("htmx:after:swap", () => {
    restore();
    if (saved) document.getElementById("notes-title")?.focus();
    saved = false;
  });
  restore();
}
