// The page's behaviour, without any state that the server does not know better: each part reads the DOM anew.

import { startClock } from "./clock.js";
import { startDesk } from "./desk.js";
import { startHold } from "./hold.js";
import { startKeys } from "./keys.js";
import { startMarks } from "./marks.js";
import { startNotes } from "./notes.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `floorline-tz=${zone}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;

startClock();
startDesk();
startHold();
startKeys();
startMarks();
startNotes();

// A menu closes when the reader turns to something else.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.user[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.("details.user[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
