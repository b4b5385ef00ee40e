// How high the bar above the page is, alone and together with the banners below it: what sticks below them, and what is
// scrolled to, keeps clear of them.

// Each name says how far down everything up to and with this part reaches.
const PARTS = { "--bar-height": ".top", "--below-stale": "#stale", "--below-unanswered": "#unanswered", "--lid": "#idle" };

export function startLid() {
  const parts = Object.entries(PARTS).map(([name, selector]) => [name, document.querySelector(selector)]);
  if (!parts.every(([, part]) => part)) return;
  const measure = () => {
    let height = 0;
    for (const [name, part] of parts) {
      if (getComputedStyle(part).position === "sticky") height += part.offsetHeight;
      document.documentElement.style.setProperty(name, `${height}px`);
    }
  };
  const observer = new ResizeObserver(measure);
  for (const [, part] of parts) observer.observe(part);
  addEventListener("resize", measure);
}
