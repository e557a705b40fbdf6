// The page of queries; without this its form works too.
//
// textarea[data-submits]: Ctrl+Enter, or ⌘ Enter, sends its form.
// button[data-aborts="#form" data-aborted="…"] ends the request that htmx has under way for the form.
// a[data-goes-to="line:column" href="#id"] puts the cursor of a textarea there; both count from 1.
import htmx from "htmx.org";
import { toast } from "./toast.js";

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches?.("textarea[data-submits]")) return;
  event.preventDefault();
  event.target.form?.requestSubmit();
});

// The place of a character: lines are counted by their ends, columns by characters.
function place(value, line, column) {
  const lines = value.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const letters = [...(lines[line - 1] ?? "")];
  const begin = before + letters.slice(0, column - 1).join("").length;
  const word = column > 0 ? /^[\p{L}\p{N}_]+|^./u.exec(letters.slice(column - 1).join("")) : null;
  return [begin, begin + (word ? word[0].length : 0)];
}

document.addEventListener("click", (event) => {
  const aborts = event.target.closest?.("[data-aborts]");
  if (aborts) {
    htmx.trigger(aborts.dataset.aborts, "htmx:abort");
    toast(aborts.dataset.aborted, "info");
  }
  const goes = event.target.closest?.("a[data-goes-to]");
  const area = goes && document.querySelector(goes.hash);
  if (!area) return;
  event.preventDefault();
  const [line, column] = goes.dataset.goesTo.split(":").map(Number);
  area.focus();
  area.setSelectionRange(...place(area.value, line, column));
});

document.addEventListener("htmx:afterSettle", () => {
  const area = document.querySelector("textarea[data-submits]");
  if (!area) return;
  const fault = document.querySelector("#sql-fault");
  if (fault) area.setAttribute("aria-invalid", "true");
  else area.removeAttribute("aria-invalid");
  area.setAttribute("aria-describedby", fault ? "sql-help sql-fault" : "sql-help");
});
