// What pages do beyond their HTML, which works without all of this: live updates, keys, the filter's completion,
// choosing rows. Each part looks for its own elements and does nothing where there are none.
import { follow } from "./live.js";
import { listen } from "./keys.js";
import { complete } from "./filter.js";
import { choose } from "./rows.js";

choose();
complete();
listen(follow());

// On a narrow screen the chosen tab may lie outside.
for (const tabs of document.querySelectorAll(".tabs")) {
  const chosen = tabs.querySelector("[aria-current]");
  if (chosen) tabs.scrollLeft = chosen.offsetLeft - tabs.offsetLeft - 16;
}

// One menu at a time, and none after a click elsewhere.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.drop[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.drop[open]")) {
    open.open = false;
    open.querySelector("summary").focus();
  }
});
