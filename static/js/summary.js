// One key speaks which call is on the desk, my role in it, who hears me and since when.

const text = (selector) => document.querySelector(selector)?.textContent.replace(/\s+/g, " ").trim();

export function speak() {
  const place = document.getElementById("spoken");
  const said = text("#desk-summary") || text("#my-ear [role=status]") || text("#my-ear .ear-where");
  if (!place || !said) return;
  const known = document.documentElement.classList.contains("is-stale") ? `${place.dataset.asKnown} ` : "";
  // The same words once more are spoken only where they come anew.
  place.textContent = "";
  requestAnimationFrame(() => {
    place.textContent = known + said;
  });
}
