// Conveniences of forms; without them every form works too.
//
// form[data-complete]: its submit buttons can be pressed once all that is required is there.
// input[type=datetime-local][data-utc="#id"] is UTC; the element says what it is where the reader is.

// A button that has just sent its form, or awaits the answer, does not send the same again:
// who clicks twice means it once.
const twice = 1000; // ms
const sent = new WeakMap(); // button, or form without one → what, when

addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    const by = event.submitter ?? form;
    const what = new URLSearchParams(new FormData(form)).toString();
    const before = sent.get(by);
    if (before?.what === what && (form.classList.contains("htmx-request") || event.timeStamp - before.at < twice)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    sent.set(by, { what, at: event.timeStamp });
  },
  true,
);

function complete(form) {
  const ready = form.checkValidity();
  for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = !ready;
}

function localTime(input) {
  const out = document.querySelector(input.dataset.utc);
  if (!out) return;
  const at = new Date(input.value + "Z");
  const language = document.documentElement.lang || undefined;
  const text = isNaN(at) ? "" : at.toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  const zone = Intl.DateTimeFormat(language, { timeZoneName: "short" }).formatToParts(at.getTime() || 0).find((part) => part.type === "timeZoneName");
  out.textContent = text && zone ? `= ${text} ${zone.value}` : "";
}

function look() {
  for (const form of document.querySelectorAll("form[data-complete]")) complete(form);
  for (const input of document.querySelectorAll("input[data-utc]")) localTime(input);
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest?.("form[data-complete]");
  if (form) complete(form);
  if (target.matches?.("input[data-utc]")) localTime(target);
});
document.addEventListener("htmx:afterSettle", look);
look();

// select[data-sets="#id"]: the field follows the choice's data-value as long as it has that of a choice.
document.addEventListener("change", ({ target }) => {
  if (!target.matches?.("select[data-sets]")) return;
  const field = document.querySelector(target.dataset.sets);
  const usual = [...target.options].map((option) => option.dataset.value);
  if (field && usual.includes(field.value)) field.value = target.selectedOptions[0].dataset.value;
}, true);
