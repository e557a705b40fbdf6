package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// A Page is one tab with cookies of its own. Its methods fail the test when what they
// wait for does not come; the failure says what the page shows instead. It looks at the
// tab alone, not at windows that this opens.
type Page struct {
	t      testing.TB
	ctx    context.Context
	faults *faults
	wait   time.Duration
	screen screen
}

// Page opens an empty tab, 1440 pixels wide and light, that knows no cookies.
func (b *Browser) Page(t testing.TB) *Page {
	t.Helper()
	ctx, closeTab, err := b.tab()
	if err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	p := &Page{t: t, ctx: ctx, faults: &faults{}, wait: patience, screen: screen{Wide, Light}}
	chromedp.ListenTarget(ctx, p.faults.hear(ctx))
	if err := chromedp.Run(ctx, network.Enable(), audits.Enable()); err != nil {
		closeTab()
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(func() {
		defer closeTab()
		p.judge()
	})
	p.Show(Wide, Light)
	return p
}

// tab opens a window in a profile of its own: where there is no window yet, Chromium
// opens no tab.
func (b *Browser) tab() (context.Context, func(), error) {
	browser := cdp.WithExecutor(b.ctx, chromedp.FromContext(b.ctx).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(browser)
	if err != nil {
		return nil, nil, err
	}
	forget := func() { _ = target.DisposeBrowserContext(profile).Do(browser) } // at the latest Main does
	id, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(browser)
	if err != nil {
		forget()
		return nil, nil, err
	}
	ctx, closeTab := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
	return ctx, func() {
		closeTab()
		forget()
	}, nil
}

// Allow lets pass what the test brings about on purpose: faults in whose text all the
// parts occur, as Allow("resource", "422", "/ui/flows") for a form that is refused.
// Requests that leave this machine are never allowed.
func (p *Page) Allow(parts ...string) {
	p.faults.allow(parts)
}

// Faults returns what the browser has complained about so far, without what is allowed.
func (p *Page) Faults() []string {
	p.t.Helper()
	// The answer comes after all that the page has told before.
	p.Eval("0", nil)
	return p.faults.list()
}

func (p *Page) judge() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	_ = evaluate(ctx, "0", nil) // as in Faults; a page that does not answer is judged by what it told
	for _, fault := range p.faults.list() {
		p.t.Errorf("the browser complained: %s", fault)
	}
}

// Open loads a page.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.run("open "+url, chromedp.Navigate(url))
}

// Reload loads the page again.
func (p *Page) Reload() {
	p.t.Helper()
	p.run("reload", chromedp.Reload())
}

// URL returns the address that the page has by now.
func (p *Page) URL() string {
	p.t.Helper()
	var url string
	p.Eval("location.href", &url)
	return url
}

// Eval runs a JavaScript expression in the page, waits for it if it is a promise, and
// puts its value into out, which may be nil, by JSON. The page's content security policy
// does not keep it out.
func (p *Page) Eval(js string, out any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	if err := evaluate(ctx, js, out); err != nil {
		p.fatal("evaluate "+short(js), err)
	}
}

// run does what takes a bounded time.
func (p *Page) run(what string, actions ...chromedp.Action) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.fatal(what, err)
	}
}

// until evaluates an expression until it is "", which means done. Until then it says
// what is still missing.
func (p *Page) until(what, js string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	missing := "the page does not answer"
	for {
		var said string
		// While a page is loaded there is none to ask: that passes.
		if err := evaluate(ctx, js, &said); err == nil {
			if said == "" {
				return
			}
			missing = said
		} else if exception := (*runtime.ExceptionDetails)(nil); errors.As(err, &exception) {
			p.fatal(what, err) // as of a wrong selector
		}
		select {
		case <-ctx.Done():
			p.fatal(what, fmt.Errorf("%s (after %v)", missing, p.wait))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// fatal ends the test with what the page shows.
func (p *Page) fatal(what string, err error) {
	p.t.Helper()
	var shown struct{ URL, Title, Text string }
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	const look = `({URL: location.href, Title: document.title, Text: (document.body?.innerText ?? "").slice(0, 4000)})`
	if lookErr := evaluate(ctx, look, &shown); lookErr != nil {
		shown.Text = "(the page does not answer: " + lookErr.Error() + ")"
	}
	p.t.Fatalf("%s: %v\npage %s\ntitle %q\nfaults %q\n%s", what, err, shown.URL, shown.Title, p.faults.list(), shown.Text)
}

// evaluate runs an expression outside the page's content security policy.
func evaluate(ctx context.Context, js string, out any) error {
	return chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
		result, exception, err := runtime.Evaluate(js).WithAwaitPromise(true).WithReturnByValue(true).WithUserGesture(true).Do(ctx)
		if err != nil {
			return err
		}
		if exception != nil {
			return exception
		}
		if out == nil {
			return nil
		}
		if len(result.Value) == 0 {
			return fmt.Errorf("%s has no value that JSON could hold", short(js))
		}
		return json.Unmarshal(result.Value, out)
	}))
}

// quote makes a JavaScript string.
func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil { // a string always can be
		panic(err)
	}
	return string(b)
}

func short(js string) string {
	line := strings.Join(strings.Fields(js), " ")
	if len(line) > 80 {
		return line[:80] + "…"
	}
	return line
}
