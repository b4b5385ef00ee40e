// The page of an agent's own calls: it asks again every few seconds, and says so where no answer comes.

import { startIdle } from "./idle.js";
import { startMenus } from "./menus.js";
import { tellZone } from "./zone.js";

const OLD_AFTER = 12_000; // two answers are missing

let answeredAt = Date.now(); // not performance.now(), which stands still while a laptop sleeps

function judge() {
  const isOld = Boolean(document.getElementById("own-log")) && Date.now() - answeredAt > OLD_AFTER;
  const banner = document.getElementById("stale");
  document.documentElement.classList.toggle("is-stale", isOld);
  if (isOld && banner.hidden) {
    for (const why of banner.querySelectorAll("[data-why]")) why.hidden = why.dataset.why !== "stream";
    const since = banner.querySelector("[data-why='stream'] [data-stale-since]");
    since.textContent = new Date(answeredAt).toLocaleTimeString([], { hour12: false });
  }
  banner.hidden = !isOld;
}

tellZone();
startMenus();
startIdle();
setInterval(judge, 1000);
document.addEventListener("htmx:after:swap", () => {
  answeredAt = Date.now();
  judge();
});
// Nobody looks at a hidden page, and hundreds of them would ask for nothing.
document.addEventListener("htmx:config:request", (event) => {
  if (document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  judge();
  if (!document.hidden) document.getElementById("own-log")?.parentElement.dispatchEvent(new Event("shown"));
});
