// Small conveniences; without them every page works too.
import { toast } from "./toast.js";
import { text } from "./words.js";

// Copying. The clipboard is there on HTTPS and localhost only; elsewhere the old way works.
async function copy(value) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(value);
  const area = document.createElement("textarea");
  area.value = value;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error(text("copyFailed"));
}

function copied(button) {
  const named = button.dataset.copy && document.querySelector(button.dataset.copy);
  const value = named ? named.value ?? named.textContent : button.dataset.copyText || "";
  copy(value.trim()).then(
    () => toast(text("copied"), "positive"),
    () => toast(text("copyFailed"), "negative"),
  );
}

let lastField; // where data-insert writes: the field that was used last

function insert(value) {
  if (!lastField?.isConnected) lastField = document.querySelector("[data-insertable]");
  if (!lastField) return;
  lastField.focus();
  lastField.setRangeText(value, lastField.selectionStart, lastField.selectionEnd, "end");
  lastField.dispatchEvent(new Event("input", { bubbles: true }));
  lastField.dispatchEvent(new Event("change", { bubbles: true }));
}

function toggle(button) {
  const panel = document.getElementById(button.getAttribute("aria-controls"));
  if (!panel) return;
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  panel.classList.toggle("open", open);
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest?.(selector);
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || at(".menu-panel :is(a, button)")) menu.open = false;
  }
  let found;
  if ((found = at("[data-copy], [data-copy-text]"))) copied(found);
  else if ((found = at("[data-insert]"))) insert(found.dataset.insert);
  else if ((found = at("[data-toggle]"))) toggle(found);
  else if ((found = at("[data-dismiss]"))) found.closest(".banner")?.remove();
  else if ((found = at("[data-opens]"))) document.querySelector(found.dataset.opens)?.showModal();
  else if ((found = at("[data-closes]"))) found.closest("dialog")?.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A menu in a table would be cut off by the table's own scrolling: it is placed in the window.
document.addEventListener(
  "toggle",
  (event) => {
    const menu = event.target;
    if (!menu.open || !menu.matches?.("details.menu") || !menu.closest(".table-wrap, .scroll")) return;
    const panel = menu.querySelector(".menu-panel");
    const at = menu.getBoundingClientRect();
    const below = at.bottom + panel.offsetHeight + 8 < innerHeight;
    panel.style.position = "fixed";
    panel.style.insetBlockStart = `${below ? at.bottom + 4 : Math.max(8, at.top - panel.offsetHeight - 4)}px`;
    panel.style.insetInlineEnd = `${document.documentElement.clientWidth - at.right}px`;
    const close = () => (menu.open = false);
    addEventListener("scroll", close, { once: true, capture: true });
  },
  true,
);

document.addEventListener("focusin", (event) => {
  if (event.target.matches?.("[data-insertable]")) lastField = event.target;
});

document.addEventListener("change", (event) => {
  const { target } = event;
  if (target.matches("[data-submit-on-change]")) target.form?.requestSubmit();
  if (target.matches("[data-check-all]")) {
    for (const box of document.querySelectorAll(target.dataset.checkAll)) if (!box.closest("[hidden]")) box.checked = target.checked;
  }
});

// data-filter="#list" hides the entries of a list, tree or table that lack what is typed.
function narrow(field) {
  const wanted = field.value.trim().toLowerCase();
  const list = document.querySelector(field.dataset.filter);
  for (const entry of list?.querySelectorAll("li, tbody tr") ?? []) {
    entry.hidden = wanted !== "" && !entry.textContent.toLowerCase().includes(wanted);
  }
  if (wanted) for (const branch of list?.querySelectorAll("details") ?? []) branch.open = true;
}
document.addEventListener("input", ({ target }) => {
  if (target.matches("[data-filter]")) narrow(target);
});
document.addEventListener("htmx:afterRequest", () => {
  for (const field of document.querySelectorAll("[data-filter]")) if (field.value) narrow(field);
});

// <time datetime="…" data-local> says UTC; the reader's own time comes beside it.
function localTimes() {
  for (const time of document.querySelectorAll("time[data-local]:not([data-shown])")) {
    time.dataset.shown = "";
    const at = new Date(time.dateTime);
    if (isNaN(at) || at.getTimezoneOffset() === 0) continue;
    const language = document.documentElement.lang || undefined;
    const local = document.createElement("span");
    local.className = "time-local";
    local.textContent = at.toLocaleString(language, {
      month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    });
    time.append(" ", local);
  }
}
document.addEventListener("htmx:afterSettle", localTimes);
localTimes();
