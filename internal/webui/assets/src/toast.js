// Short notices in the corner. An answer to htmx shows one with the header
// HX-Trigger: {"toast": {"text": "Saved", "tone": "positive"}}; a whole page with
// <div data-toast="positive" hidden>Saved</div>. Tones: info, positive, negative.
const tones = ["info", "positive", "negative"];
const shownFor = 8000; // ms; Spectrum asks for 5 s at least

export function toast(message, tone = "info") {
  let region = document.querySelector(".toasts");
  if (!region) {
    region = document.createElement("div");
    region.className = "toasts";
    region.setAttribute("role", "region");
    region.setAttribute("aria-live", "polite");
    (document.querySelector("sp-theme") || document.body).append(region);
  }
  const notice = document.createElement("sp-toast");
  notice.textContent = message;
  if (tones.includes(tone)) notice.setAttribute("variant", tone);
  // Bad news stays until it is read.
  if (tone !== "negative") notice.timeout = shownFor;
  notice.addEventListener("close", () => notice.remove());
  region.append(notice);
  notice.open = true;
}

export function showToastsIn(root) {
  for (const notice of root.querySelectorAll("[data-toast]")) {
    toast(notice.textContent.trim(), notice.dataset.toast);
    notice.remove();
  }
}

document.addEventListener("toast", (event) => {
  const said = event.detail || {};
  toast(said.text || said.value || "", said.tone);
});
