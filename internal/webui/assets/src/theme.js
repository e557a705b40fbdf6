// Light, dark, or as the system is set. The server renders <html data-theme="…">
// from the cookie that this script sets; tokens of Spectrum come from <sp-theme>.
import "@spectrum-web-components/theme/sp-theme.js";
import "@spectrum-web-components/theme/spectrum-two/scale-medium.js";
import "@spectrum-web-components/theme/spectrum-two/theme-dark.js";
import "@spectrum-web-components/theme/spectrum-two/theme-light.js";

const cookie = "tributary_theme";
const choices = ["light", "dark", "auto"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function apply() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen === "dark" || (chosen !== "light" && systemIsDark.matches);
  for (const theme of document.querySelectorAll("sp-theme")) {
    theme.setAttribute("color", dark ? "dark" : "light");
  }
  for (const control of document.querySelectorAll("select[data-theme-switch]")) {
    control.value = choices.includes(chosen) ? chosen : "auto";
  }
  for (const control of document.querySelectorAll("[data-set-theme]")) {
    control.setAttribute("aria-pressed", String(control.dataset.setTheme === chosen));
  }
}

function choose(theme) {
  if (!choices.includes(theme)) return;
  document.documentElement.dataset.theme = theme;
  document.cookie = `${cookie}=${theme}; Path=/; Max-Age=31536000; SameSite=Lax`;
  apply();
}

document.addEventListener("change", (event) => {
  const control = event.target.closest("select[data-theme-switch]");
  if (control) choose(control.value);
});
document.addEventListener("click", (event) => {
  const control = event.target.closest("[data-set-theme]");
  if (control) choose(control.dataset.setTheme);
});
systemIsDark.addEventListener("change", apply);
document.addEventListener("htmx:afterSettle", apply);
apply();
