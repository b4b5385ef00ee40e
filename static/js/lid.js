// How high the bar above the page is, and it together with the banner below it: what sticks below them, and what is
// scrolled to, keeps clear of them.

export function startLid() {
  const parts = [document.querySelector(".top"), document.getElementById("stale")];
  if (!parts.every(Boolean)) return;
  const measure = () => {
    const [bar, banner] = parts.map((part) => (getComputedStyle(part).position === "sticky" ? part.offsetHeight : 0));
    document.documentElement.style.setProperty("--bar-height", `${bar}px`);
    document.documentElement.style.setProperty("--lid", `${bar + banner}px`);
  };
  const observer = new ResizeObserver(measure);
  for (const part of parts) observer.observe(part);
  addEventListener("resize", measure);
}
