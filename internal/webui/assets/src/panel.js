// [data-panel] is where things open beside a list. What opens there takes the keyboard,
// at its [autofocus] or at its heading. When it is empty again, the keyboard goes back to
// what opened it; if that is gone, as a line that was deleted, to the line in its place.
import { focusOn } from "./requests.js";

let places = []; // to go back to, the best first

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  const panel = detail.target;
  const at = document.activeElement;
  if (!panel?.matches("[data-panel]") || !at || at === document.body || panel.contains(at)) return;
  const opener = at.closest("details.menu")?.querySelector("summary") ?? at; // a menu has closed
  places = [() => (opener.isConnected ? opener : opener.id && document.getElementById(opener.id))];
  const line = at.closest("li[id]");
  if (!line) return;
  const controls = (one) => [...one.querySelectorAll("a, button, input")];
  const nth = controls(line).indexOf(at);
  const after = [], before = [];
  for (let one = line.nextElementSibling; one; one = one.nextElementSibling) after.push(one.id);
  for (let one = line.previousElementSibling; one; one = one.previousElementSibling) before.push(one.id);
  const list = line.parentElement.closest("[tabindex]");
  for (const id of [...after, ...before]) {
    places.push(() => {
      const other = document.getElementById(id);
      return other && controls(other)[nth];
    });
  }
  places.push(() => list);
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const panel = detail.target;
  const at = document.activeElement;
  if (!panel?.matches("[data-panel]") || panel.contains(at)) return;
  const heading = panel.querySelector("h2");
  if (heading) return focusOn(heading);
  if (at && at !== document.body) return;
  for (const place of places) {
    const element = place();
    if (element?.isConnected) return element.focus();
  }
});
