// What is personal about a row that everybody gets in the same bytes: open on my desk, mine, my own chip.

function mark() {
  const open = document.getElementById("desk")?.dataset.conference;
  const me = document.getElementById("page")?.dataset.viewer;
  for (const row of document.querySelectorAll("#conferences > .conference")) {
    const isOpen = row.id === `conference-${open}`;
    row.classList.toggle("open", isOpen);
    row.classList.toggle("mine", row.dataset.supervisors?.split(" ").includes(me) ?? false);
    const link = row.querySelector("a");
    if (isOpen) link?.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
    // What the shared row says of me is older than my own chip, and never as exact.
    for (const shared of row.querySelectorAll(`[data-user="${me}"]`)) shared.hidden = true;
  }
  placeChip();
}

// My own chip comes beside the rows; it stands first in the row of the call that I am in.
function placeChip() {
  const source = document.getElementById("own-chip");
  const row = document.getElementById(`conference-${source?.dataset.conference}`);
  const cell = row?.matches(".conference:not(.ended)") ? row.querySelector(".col-supervised") : null;
  const chip = source?.firstElementChild;
  let placed = null;
  for (const old of document.querySelectorAll("#conferences .own")) {
    if (cell && !placed && old === cell.firstElementChild && old.isEqualNode(chip)) placed = old;
    else old.remove();
  }
  if (cell && chip && !placed) cell.prepend(chip.cloneNode(true));
}

// A row that is pushed comes without what was marked in it: mark it again before anybody sees it.
const observer = new MutationObserver((changes) => {
  if (changes.some((change) => !change.target.matches("[data-since]"))) markUnseen();
});

function markUnseen() {
  observer.disconnect();
  mark();
  const list = document.getElementById("conferences");
  if (list) observer.observe(list, { childList: true, subtree: true });
}

// The filters say what the address says, also after a tile, a saved view or the back button.
function showFilters() {
  const asked = new URLSearchParams(location.search);
  for (const field of document.querySelectorAll("#filters select, #filters input:not([type=hidden])")) {
    // The number that somebody searches for stands in no address.
    if (field === document.activeElement || (field.name === "q" && asked.has("number"))) continue;
    const value = asked.get(field.name) ?? "";
    if (field.type === "checkbox") field.checked = value === field.value;
    else if (field.tagName === "SELECT") field.value = value || field.options[0].value;
    else field.value = value;
  }
}

export function startMarks() {
  document.addEventListener("htmx:after:swap", markUnseen);
  document.addEventListener("htmx:after:history:push", showFilters);
  document.addEventListener("htmx:after:history:replace", showFilters);
  markUnseen();
}
