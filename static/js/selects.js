// After a choice in a filter its sheet closes and the focus is back at the list, so that keys work again. Whoever goes
// through the choices of a closed filter by arrow keys stays in it until Enter.

let steps = false; // the last key went through the choices of a closed filter
let chose = false; // and changed it

const isFilter = (element) => element.matches?.("#filters select");

function toTheList() {
  document.getElementById("more-filters")?.hidePopover();
  document.querySelector("table.conferences")?.focus({ preventScroll: true });
}

export function startSelects() {
  document.addEventListener("focusin", () => {
    steps = chose = false;
  });
  document.addEventListener("pointerdown", () => {
    steps = false;
  });
  document.addEventListener("keydown", (event) => {
    if (!isFilter(event.target)) return;
    const isEnter = event.key === "Enter";
    if (isEnter && chose) {
      event.preventDefault();
      toTheList();
    }
    // Enter, the space bar and Alt with an arrow open the list of choices.
    steps = !isEnter && event.key !== " " && !event.altKey;
  });
  document.addEventListener("change", (event) => {
    if (!isFilter(event.target)) return;
    if (steps) chose = true;
    else toTheList();
  });
}
