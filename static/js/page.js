// The name of this page load: the server and the other pages of this browser know it by this.

function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Missing on plain http.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export const PAGE = uuid();

// Presses are counted in a tab, across its page loads: what follows a Leave on the next page is later than the Leave.
// While a page is open its count is not in the storage, so a copy of the tab begins a count of its own.
const KEY = "floorline-presses";

function take() {
  const kept = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  return kept && JSON.parse(kept);
}

let counted = take() ?? { tab: uuid(), count: 0 };
addEventListener("pagehide", () => sessionStorage.setItem(KEY, JSON.stringify(counted)));
addEventListener("pageshow", (event) => {
  if (event.persisted) counted = take() ?? counted;
});

export function nextPress() {
  counted.count += 1;
  return { page: counted.tab, press: String(counted.count) };
}
