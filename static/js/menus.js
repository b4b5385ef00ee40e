// A menu closes when the reader turns to something else, and by Esc where the focus is in it.

const OPEN = "details.user[open]";

// Returns whether there was a menu around this element, which is closed now.
export function closeMenuAround(element) {
  const menu = element?.closest?.(OPEN);
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary").focus();
  return true;
}

// Where the window has grown, the filters stand on the page and their sheet has no button any more.
function closeSheet() {
  const button = document.querySelector(".filters-button");
  if (button && !button.checkVisibility()) document.getElementById("more-filters").hidePopover();
}

export function startMenus() {
  window.addEventListener("resize", closeSheet);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(OPEN)) if (!menu.contains(event.target)) menu.open = false;
  });
}
