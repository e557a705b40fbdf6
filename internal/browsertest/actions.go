package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// element is the beginning of a script about the first element that matches and is
// shown, or else the first that matches.
func element(css string) string {
	return `const all = [...document.querySelectorAll(` + quote(css) + `)];
		const shown = (e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0;
		const e = all.find(shown) ?? all[0];
		if (!e) return "there is no such element";
		`
}

func script(body string) string { return "(() => {" + body + "})()" }

// WaitFor waits until an element is shown.
func (p *Page) WaitFor(css string) {
	p.t.Helper()
	p.until("wait for "+css, script(element(css)+`return shown(e) ? "" : "the element is not shown";`))
}

// WaitGone waits until no such element is shown.
func (p *Page) WaitGone(css string) {
	p.t.Helper()
	p.until("wait until gone: "+css, script(`const all = [...document.querySelectorAll(`+quote(css)+`)];
		return all.some((e) => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length > 0) ? "it is still shown" : "";`))
}

// WaitText waits until an element shows a text, also among others.
func (p *Page) WaitText(css, text string) {
	p.t.Helper()
	p.until(fmt.Sprintf("wait for %q in %s", text, css), script(element(css)+
		`return e.innerText.includes(`+quote(text)+`) ? "" : "it says " + JSON.stringify(e.innerText.slice(0, 400));`))
}

// WaitURL waits until the page's address contains a text.
func (p *Page) WaitURL(part string) {
	p.t.Helper()
	p.until("wait for the address "+part, script(`return location.href.includes(`+quote(part)+`) ? "" : "it is " + location.href;`))
}

// Text waits for an element and returns the text that it shows.
func (p *Page) Text(css string) string {
	p.t.Helper()
	p.WaitFor(css)
	var text string
	p.Eval(script(element(css)+"return e.innerText;"), &text)
	return text
}

// Count returns how many elements match, shown or not.
func (p *Page) Count(css string) int {
	p.t.Helper()
	var n int
	p.Eval("document.querySelectorAll("+quote(css)+").length", &n)
	return n
}

// Click waits until an element is shown, stands still and is covered by no other, and
// clicks on its middle.
func (p *Page) Click(css string) {
	p.t.Helper()
	p.until("click on "+css, script(element(css)+`
		if (!shown(e)) return "the element is not shown";
		if (e.disabled || e.getAttribute("aria-disabled") === "true") return "the element is disabled";
		e.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
		const box = e.getBoundingClientRect();
		const x = box.x + box.width / 2, y = box.y + box.height / 2;
		const before = window.__browsertest;
		window.__browsertest = {e, x, y};
		if (!before || before.e !== e || before.x !== x || before.y !== y) return "the element moves";
		const top = document.elementFromPoint(x, y);
		const label = e.closest("label") ?? e.labels?.[0];
		if (!top || !(e.contains(top) || top.contains(e) && top === label)) return "the element is covered by " + (top?.outerHTML ?? "nothing").slice(0, 200);
		return "";`))
	var at struct{ X, Y float64 }
	p.Eval("({X: window.__browsertest.x, Y: window.__browsertest.y})", &at)
	p.run("click on "+css, chromedp.MouseClickXY(at.X, at.Y))
}

// Fill replaces what is in a field, as if the text was typed. The field keeps the focus:
// what waits for a change hears of it when the focus moves on, as by Press("Tab").
func (p *Page) Fill(css, text string) {
	p.t.Helper()
	p.until("fill "+css, script(element(css)+`
		if (!shown(e)) return "the element is not shown";
		if (e.disabled || e.readOnly) return "the field takes no text";
		e.scrollIntoView({block: "center", behavior: "instant"});
		e.focus();
		e.select?.();
		return document.activeElement === e ? "" : "the field takes no focus";`))
	var typed bool
	p.Eval(script(element(css)+`
		if (!["date", "time", "datetime-local", "month", "week", "color", "range"].includes(e.type)) return true;
		e.value = `+quote(text)+`;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		e.dispatchEvent(new Event("change", {bubbles: true}));
		return false;`), &typed)
	switch {
	case !typed:
	case text == "":
		p.Press("Delete")
	default:
		p.run("fill "+css, input.InsertText(text))
	}
}

// Select chooses an option by its value.
func (p *Page) Select(css, value string) {
	p.t.Helper()
	p.until(fmt.Sprintf("select %q in %s", value, css), script(element(css)+`
		if (e.disabled) return "the element is disabled";
		const values = [...e.options].map((o) => o.value);
		if (!values.includes(`+quote(value)+`)) return "the options are " + JSON.stringify(values);
		e.focus();
		e.value = `+quote(value)+`;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		e.dispatchEvent(new Event("change", {bubbles: true}));
		return "";`))
}

// Upload chooses files of this machine in a field.
func (p *Page) Upload(css string, files ...string) {
	p.t.Helper()
	p.until("upload to "+css, script(element(css)+`return "";`))
	paths := make([]string, 0, len(files))
	for _, file := range files {
		path, err := filepath.Abs(file) // Chromium ends a page that is given another
		if err != nil {
			p.t.Fatalf("upload %s: %v", file, err)
		}
		paths = append(paths, path)
	}
	p.run("upload to "+css, chromedp.SetUploadFiles(css, paths, chromedp.ByQuery))
}

// Press presses a key: Enter, Tab, Escape, Delete, Home, End, Space, an arrow
// (ArrowDown, …) or the character that it writes.
func (p *Page) Press(key string) {
	p.t.Helper()
	named := map[string]string{
		"Enter": kb.Enter, "Tab": kb.Tab, "Escape": kb.Escape, "Delete": kb.Delete, "Home": kb.Home, "End": kb.End, "Space": " ",
		"ArrowDown": kb.ArrowDown, "ArrowUp": kb.ArrowUp, "ArrowLeft": kb.ArrowLeft, "ArrowRight": kb.ArrowRight,
	}
	if code, ok := named[key]; ok {
		key = code
	} else if len([]rune(key)) != 1 {
		p.t.Fatalf("there is no key %q", key)
	}
	p.run("press "+key, chromedp.KeyEvent(key))
}

// SetCookie gives the page a cookie for the addresses of a server.
func (p *Page) SetCookie(url string, cookie *http.Cookie) {
	p.t.Helper()
	p.run("set a cookie", network.SetCookie(cookie.Name, cookie.Value).WithURL(url).WithHTTPOnly(cookie.HttpOnly).WithSecure(cookie.Secure))
}

// SetTimezone moves the reader of the page, as to "Europe/Berlin". They are in UTC at first.
func (p *Page) SetTimezone(name string) {
	p.t.Helper()
	p.run("move to "+name, emulation.SetTimezoneOverride(name))
}

// Widths of windows in pixels, and the colours that the reader's system asks for.
const (
	Wide   = 1440
	Narrow = 390 // a phone

	Light = "light"
	Dark  = "dark"
)

type screen struct {
	width  int
	scheme string
}

// Show gives the window a width and the system a colour scheme. Things don't move: the
// reader is one who asked for reduced motion.
func (p *Page) Show(width int, scheme string) {
	p.t.Helper()
	height := 900
	if width < 600 {
		height = 844
	}
	p.screen = screen{width, scheme}
	p.run(fmt.Sprintf("show %s, %d pixels wide", scheme, width),
		emulation.SetDeviceMetricsOverride(int64(width), int64(height), 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"},
		}))
}

// Screenshot returns a picture (PNG) of the whole page in a width and a colour scheme,
// which the page then no longer has.
func (p *Page) Screenshot(width int, scheme string) []byte {
	p.t.Helper()
	before := p.screen
	p.Show(width, scheme)
	var picture []byte
	p.run("take a picture", chromedp.ActionFunc(func(ctx context.Context) error {
		var err error
		picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithFormat(page.CaptureScreenshotFormatPng).Do(ctx)
		return err
	}))
	p.Show(before.width, before.scheme)
	return picture
}

// FitsWidth fails the test when the page as a whole scrolls sideways.
func (p *Page) FitsWidth() {
	p.t.Helper()
	var widest []string
	p.Eval(script(`const room = document.documentElement.clientWidth;
		if (document.documentElement.scrollWidth <= room) return [];
		return [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > room + 1)
			.slice(0, 5).map((e) => e.outerHTML.slice(0, 120)).concat("the page is " + document.documentElement.scrollWidth + " pixels wide");`), &widest)
	for _, what := range widest {
		p.t.Errorf("at %d pixels the page scrolls sideways: %s", p.screen.width, what)
	}
}
