// What is personal about a row that everybody gets in the same bytes: open on my desk, mine, "You".

function mark() {
  const page = document.getElementById("page");
  const open = document.getElementById("desk")?.dataset.conference;
  const me = page?.dataset.viewer;
  for (const row of document.querySelectorAll("#conferences > .conference")) {
    const isOpen = row.id === `conference-${open}`;
    row.classList.toggle("open", isOpen);
    row.classList.toggle("mine", row.dataset.supervisors?.split(" ").includes(me) ?? false);
    const link = row.querySelector("a");
    if (isOpen) link?.setAttribute("aria-current", "true");
    else link?.removeAttribute("aria-current");
    for (const name of row.querySelectorAll(`[data-user="${me}"]`)) name.textContent = page.dataset.you;
  }
}

// The filters say what the address says, also after a tile, a saved view or the back button.
function showFilters() {
  const asked = new URLSearchParams(location.search);
  for (const field of document.querySelectorAll("#filters select, #filters input:not([type=hidden])")) {
    if (field === document.activeElement) continue;
    const value = asked.get(field.name) ?? "";
    if (field.type === "checkbox") field.checked = value === field.value;
    else if (field.tagName === "SELECT") field.value = value || field.options[0].value;
    else field.value = value;
  }
}

export function startMarks() {
  document.addEventListener("htmx:after:swap", mark);
  for (const event of ["htmx:after:history:push", "htmx:after:history:replace"]) document.addEventListener(event, showFilters);
  mark();
}
