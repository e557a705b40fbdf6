// htmx under a strict content security policy: no eval (so no hx-on and no filters in
// hx-trigger), no style of its own, answers of failed requests shown like others.
import htmx from "htmx.org";
import { toast, showToastsIn } from "./toast.js";
import { text } from "./words.js";

Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyCacheSize: 0, // pages hold customers' data: none of it stays in the browser
  refreshOnHistoryMiss: true,
  scrollBehavior: "auto",
  defaultSettleDelay: 0, // what is shown works: until it is settled, nothing in it is heard of
  responseHandling: [
    { code: "204", swap: false },
    { code: "...", swap: true },
  ],
});

// What is no HTML (a proxy's answer, a plain error) is told in a toast, not shown raw.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  const html = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/html");
  if (xhr.status >= 400 && !html) {
    event.detail.shouldSwap = false;
    toast(text("failed"), "negative");
  }
});
// A request that is taken back, by a later one or by a button, is no error: htmx ends it
// like one without an answer, and writes nothing on the console.
document.addEventListener("htmx:beforeSend", ({ detail }) => {
  detail.xhr.onabort = detail.xhr.onload;
});
document.addEventListener("htmx:sendError", () => toast(text("offline"), "negative"));
document.addEventListener("htmx:timeout", () => toast(text("offline"), "negative"));

// A swap leaves the keyboard where the news is: at the summary of errors, or, when the
// main content was replaced, at its heading.
document.addEventListener("htmx:afterSettle", (event) => {
  const swapped = event.detail.target || event.target;
  if (!(swapped instanceof Element)) return;
  showToastsIn(swapped);
  if (focusOn(swapped.querySelector("[data-error-summary]"))) return;
  if (swapped.matches("main, body")) focusOn(swapped.querySelector("h1"));
});

// focusOn moves the keyboard to what it does not reach by itself, as a heading.
export function focusOn(element) {
  if (!element) return false;
  if (!element.hasAttribute("tabindex")) element.setAttribute("tabindex", "-1");
  element.focus();
  return true;
}

function begin() {
  showToastsIn(document);
  focusOn(document.querySelector("[data-error-summary]"));
}
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
