// Another page of the list begins at its top; where a key asked for it, keys go on from its first row.

function begin({ detail: { ctx } }) {
  if (!/^(prev|next)$/.test(ctx?.sourceElement?.rel)) return;
  const list = document.getElementById("conferences");
  const top = document.querySelector(".top").offsetHeight;
  if (list.getBoundingClientRect().top < top) list.closest(".sheet").scrollIntoView();
  if (ctx.sourceEvent?.detail === 0) list.querySelector("a")?.focus({ preventScroll: true });
}

export function startPaging() {
  document.addEventListener("htmx:after:swap", begin);
}
