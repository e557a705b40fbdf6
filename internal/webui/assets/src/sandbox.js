// A page is of the sandbox that it was opened in, and says so with whatever it sends:
// another tab may have gone to another one since, and nothing is to be done there.
const here = document.body.dataset.sandbox;

// ofSandbox is an address that says of which sandbox the page is.
export function ofSandbox(address) {
  if (!here) return address;
  return address + (address.includes("?") ? "&" : "?") + "of-sandbox=" + encodeURIComponent(here);
}

if (here) {
  document.addEventListener("htmx:configRequest", ({ detail }) => (detail.headers["X-Of-Sandbox"] = here));
  document.addEventListener("formdata", ({ target, formData }) => {
    if (target.method === "post" && !target.hasAttribute("data-anywhere")) formData.set("of-sandbox", here);
  });
}
