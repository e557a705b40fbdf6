// Server-sent events: <section data-sse="/ui/…"> listens while it is on the page. An
// event whose name is the id of the section or of something in it replaces what that
// holds with the HTML it brings; the event "done" ends the stream. The browser takes up
// a broken stream by itself; one that the server refused is tried again more slowly.
// A page that nobody sees listens to nothing: over HTTP/1.1 a browser has six connections
// to a host, and with six tabs in the background the next page would wait for ever.
import htmx from "htmx.org";
import { ofSandbox } from "./sandbox.js";

const firstWait = 2000; // ms
const longestWait = 60000;
const streams = new Map(); // element → stream

class Stream {
  constructor(element) {
    this.element = element;
    this.wait = firstWait;
    this.heard = new Set();
    this.ended = false;
    this.show();
  }

  // show listens while the page is seen.
  show() {
    if (this.ended) return;
    if (document.hidden) this.close("paused");
    else if (!this.source || this.source.readyState === EventSource.CLOSED) this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.heard.clear();
    this.source = new EventSource(ofSandbox(this.element.dataset.sse));
    this.source.addEventListener("open", () => {
      this.wait = firstWait;
      this.say("live");
    });
    this.source.addEventListener("done", () => this.end());
    this.source.addEventListener("error", () => this.broken());
    this.listen();
  }

  // listen hears the names of what is in the element by now.
  listen() {
    for (const part of [this.element, ...this.element.querySelectorAll("[id]")]) {
      const name = part.id;
      if (!name || name === "done" || this.heard.has(name)) continue;
      this.heard.add(name);
      this.source.addEventListener(name, (event) => this.replace(name, event.data));
    }
  }

  replace(id, html) {
    const target = document.getElementById(id);
    if (!target || !(target === this.element || this.element.contains(target))) return;
    htmx.swap(target, html, { swapStyle: "innerHTML", settleDelay: 0, swapDelay: 0 });
    this.listen();
  }

  broken() {
    this.say("lost");
    if (this.source.readyState !== EventSource.CLOSED) return; // the browser tries again
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 2, longestWait);
  }

  say(state) {
    this.element.dataset.sseState = state;
  }

  end() {
    this.ended = true;
    this.close("done");
  }

  close(state) {
    clearTimeout(this.timer);
    this.source?.close();
    if (state) this.say(state);
  }
}

function look() {
  for (const [element, stream] of streams) {
    if (element.isConnected && element.dataset.sse) continue;
    stream.close();
    streams.delete(element);
  }
  for (const element of document.querySelectorAll("[data-sse]")) {
    if (element.dataset.sse && !streams.has(element)) streams.set(element, new Stream(element));
  }
}

document.addEventListener("htmx:afterSettle", look);
document.addEventListener("visibilitychange", () => streams.forEach((stream) => stream.show()));
// A page that is left must not hold one of the browser's few connections.
addEventListener("pagehide", () => streams.forEach((stream) => stream.close()));
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  streams.clear();
  look();
});
look();
