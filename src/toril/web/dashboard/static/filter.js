// Completion of the filter's words: fields first, then what a field may say.

const fields = [["state:", "in this state"], ["name:", "the task's name, * for anything"], ["error:", "in the reason of its failure"], ["data.", "what the data hold at a path"], ["since:", "within this time"], ["until:", "before this time"], ["id:", "the job of that id"]];
const values = {
  "state:": ["waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed"],
  "since:": ["10m", "1h", "1d", "7d"],
  "until:": ["10m", "1h", "1d", "7d"],
};

function choices(word, names) {
  const field = word.slice(0, word.indexOf(":") + 1);
  if (field === "") return fields.filter(([name]) => name.startsWith(word) && name !== word);
  const known = field === "name:" ? names : values[field] ?? [];
  return known.map((value) => [field + value, ""]).filter(([whole]) => whole.startsWith(word) && whole !== word);
}

// Names as the language says them: those with a space or a colon stand in quotes.
function taskNames(box) {
  return box.dataset.names.split("\n").filter(Boolean).map((name) => /[\s":\\]/.test(name) ? JSON.stringify(name) : name);
}

export function complete() {
  for (const box of document.querySelectorAll(".filter")) attach(box, box.querySelector("input"));
}

function attach(box, input) {
  const list = document.createElement("ul");
  list.id = "completion";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Completions");
  list.hidden = true;
  box.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", list.id], ["aria-autocomplete", "list"]]) input.setAttribute(name, value);
  let at = -1;

  const word = () => input.value.slice(0, input.selectionStart).split(" ").at(-1);
  const close = () => { list.hidden = true; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); at = -1; };
  const take = (text) => {
    const end = input.selectionStart;
    const before = input.value.slice(0, end - word().length) + text;
    const open = text.endsWith(":") || text.endsWith(".");
    input.value = before + (open ? "" : " ") + input.value.slice(end).trimStart();
    input.setSelectionRange(before.length + (open ? 0 : 1), before.length + (open ? 0 : 1));
    open ? offer() : close();
  };
  const offer = () => {
    const found = choices(word(), taskNames(box)).slice(0, 12);
    list.replaceChildren(...found.map(([text, what], number) => {
      const item = document.createElement("li");
      item.id = `completion-${number}`;
      item.dataset.text = text;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const note = document.createElement("small");
      note.textContent = what;
      item.append(text, note);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(text); });
      return item;
    }));
    at = -1;
    list.hidden = found.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
  };
  const mark = (number) => {
    at = (number + list.children.length) % list.children.length;
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
    input.setAttribute("aria-activedescendant", `completion-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  };

  input.addEventListener("input", offer);
  input.addEventListener("focus", offer);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { if (list.hidden) input.blur(); else close(); return; }
    if (list.hidden) return;
    if (event.key === "ArrowDown") { event.preventDefault(); mark(at + 1); }
    if (event.key === "ArrowUp") { event.preventDefault(); mark(at < 0 ? -1 : at - 1); }
    if ((event.key === "Enter" || event.key === "Tab") && at >= 0) { event.preventDefault(); take(list.children[at].dataset.text); }
  });
}
