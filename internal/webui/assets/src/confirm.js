// data-confirm="question" on a button, a link or a form asks before anything is done.
// data-confirm-title is the dialog's heading, data-confirm-action its button's text,
// data-confirm-tone="negative" makes that red, data-confirm-type="name" wants the name typed.
import { text } from "./words.js";

const agreed = new WeakSet();

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function ask(asking, onYes) {
  const { confirm, confirmTitle, confirmAction, confirmTone, confirmType } = asking.dataset;
  const title = element("h2", { id: "confirm-title" }, confirmTitle || confirmAction || text("confirm"));
  const no = element("button", { type: "button", className: "button secondary" }, text("cancel"));
  const yes = element(
    "button",
    { type: "submit", className: confirmTone === "negative" ? "button negative" : "button accent" },
    confirmAction || text("confirm"),
  );
  const form = element("form", { method: "dialog" }, title, element("p", {}, confirm));
  if (confirmType) {
    const field = element("input", { type: "text", id: "confirm-type", autocomplete: "off" });
    const label = element("label", { htmlFor: "confirm-type" }, text("confirmType") + " ", element("code", {}, confirmType));
    field.addEventListener("input", () => (yes.disabled = field.value !== confirmType));
    yes.disabled = true;
    form.append(element("div", { className: "field" }, label, field));
  }
  form.append(element("div", { className: "dialog-actions" }, no, yes));
  const dialog = element("dialog", { className: "dialog" }, form);
  dialog.setAttribute("aria-labelledby", "confirm-title");
  form.addEventListener("submit", () => (dialog.returnValue = "yes"));
  no.addEventListener("click", () => dialog.close("no"));
  dialog.addEventListener("close", () => {
    dialog.remove();
    asking.focus();
    if (dialog.returnValue === "yes") onYes();
  });
  (document.querySelector("sp-theme") || document.body).append(dialog);
  dialog.showModal();
  if (!confirmType) no.focus();
}

function intercept(event, asking, again) {
  if (!asking || agreed.delete(asking)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(asking, () => {
    agreed.add(asking);
    again();
    agreed.delete(asking);
  });
}

addEventListener(
  "click",
  (event) => {
    const asking = event.target.closest?.("[data-confirm]:not(form)");
    if (asking?.disabled) return;
    intercept(event, asking, () => asking.click());
  },
  true,
);
addEventListener(
  "submit",
  (event) => {
    const asking = event.target.closest?.("form[data-confirm]");
    intercept(event, asking, () => asking.requestSubmit(event.submitter));
  },
  true,
);
