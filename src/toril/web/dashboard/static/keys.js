// Keys, as `?` lists them.

const base = document.body.dataset.base;
const places = { o: "", e: "errors", f: "flows", s: "schedules", w: "workers", m: "messages" };
let going = false;
let at = -1;

function rows() {
  return [...document.querySelectorAll("[data-row]")];
}

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  at = Math.min(Math.max(at + step, 0), all.length - 1);
  const row = all[at];
  (row.matches("a") ? row : row.querySelector("a[data-open]"))?.focus();
  row.scrollIntoView({ block: "nearest" });
}

const acts = {
  "/": () => document.querySelector("[role=search] input:not([type=hidden])")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => document.activeElement.closest("[data-row]")?.querySelector("input[type=checkbox]")?.click(),
  "?": () => document.getElementById("keys").showModal(),
};

export function listen(toggle) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (going) {
      going = false;
      if (event.key in places) location.href = base + places[event.key];
      return;
    }
    if (event.key === "g") { going = true; return; }
    if (event.key === "p") { toggle(); return; }
    if (event.key in acts) { event.preventDefault(); acts[event.key](); }
  });
}
