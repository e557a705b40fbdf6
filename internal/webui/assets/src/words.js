// The few words that scripts say themselves. A page overrides them in its language
// with attributes of <body>: data-text-copied="Kopiert", data-text-cancel="…".
const english = {
  cancel: "Cancel",
  close: "Close",
  confirm: "Confirm",
  copied: "Copied",
  copyFailed: "The browser did not allow copying",
  failed: "The server could not do this. Try again.",
  offline: "The server cannot be reached. Check the connection and try again.",
  confirmType: "To go on, type",
};

export function text(name) {
  const attribute = "text" + name[0].toUpperCase() + name.slice(1);
  return document.body.dataset[attribute] || english[name];
}
