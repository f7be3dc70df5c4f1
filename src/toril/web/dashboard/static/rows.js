// Choosing jobs: how many are chosen, and all of a page at once.

export function choose() {
  const form = document.getElementById("selection");
  const all = form?.querySelector("[data-all]");
  if (!all) return;
  const said = form.querySelector("[data-chosen]");
  const boxes = () => [...form.querySelectorAll("input[name=id]")];
  const count = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    said.textContent = chosen === 0 ? "With the chosen jobs:" : `With ${chosen} chosen:`;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && !all.checked;
    for (const button of form.querySelectorAll("button[name=verb]")) button.disabled = chosen === 0;
  };
  all.hidden = false;
  all.addEventListener("change", () => { for (const box of boxes()) box.checked = all.checked; count(); });
  form.addEventListener("change", count);
  document.addEventListener("toril:fresh", count);
  count();
}
