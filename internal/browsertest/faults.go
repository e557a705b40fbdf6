package browsertest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/inspector"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// faults collects what the browser complains about.
type faults struct {
	mu      sync.Mutex
	found   []fault
	allowed [][]string
}

type fault struct {
	text string
	left bool // a request that leaves this machine
}

func (f *faults) add(left bool, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.found = append(f.found, fault{fmt.Sprintf(format, args...), left})
}

func (f *faults) allow(parts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allowed = append(f.allowed, parts)
}

func (f *faults) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var texts []string
	for _, found := range f.found {
		if found.left || !f.expected(found.text) {
			texts = append(texts, found.text)
		}
	}
	return texts
}

func (f *faults) expected(text string) bool {
	return slices.ContainsFunc(f.allowed, func(parts []string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
	})
}

// hear returns what listens to the events of a tab.
func (f *faults) hear(ctx context.Context) func(any) {
	return func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent: // of every redirect too
			f.request(e.Request.URL)
		case *network.EventWebSocketCreated:
			f.request(e.URL)
		case *network.EventWebTransportCreated:
			f.request(e.URL)
		case *runtime.EventExceptionThrown:
			f.add(false, "exception: %s", e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeAssert {
				f.add(false, "console: %s", spoken(e.Args))
			}
		case *log.EventEntryAdded:
			f.entry(e.Entry)
		case *audits.EventIssueAdded:
			if d := e.Issue.Details; d != nil && d.ContentSecurityPolicyIssueDetails != nil {
				csp := d.ContentSecurityPolicyIssueDetails
				f.add(false, "content security policy: %s refused, %s %s", csp.ViolatedDirective, csp.ContentSecurityPolicyViolationType, csp.BlockedURL)
			}
		case *inspector.EventTargetCrashed:
			f.add(false, "the page crashed")
		case *page.EventJavascriptDialogOpening:
			f.add(false, "dialog: %s %q", e.Type, e.Message)
			// The page stands still until it is answered; listeners may not wait.
			go func() { _ = chromedp.Run(ctx, page.HandleJavaScriptDialog(false)) }()
		}
	}
}

func (f *faults) entry(e *log.Entry) {
	if e.Level != log.LevelError {
		return
	}
	source := string(e.Source)
	if e.Source == log.SourceNetwork {
		source = "resource"
	}
	f.add(false, "%s: %s %s", source, e.Text, e.URL)
}

func (f *faults) request(address string) {
	if !local(address) {
		f.add(true, "request: %s leaves this machine", address)
	}
}

// local reports whether an address is on this machine or in the page itself.
func local(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return strings.HasPrefix(address, "data:")
	}
	switch u.Scheme {
	case "data", "blob", "about":
		return true
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// spoken is what a call of console.error says.
func spoken(args []*runtime.RemoteObject) string {
	words := make([]string, 0, len(args))
	for _, arg := range args {
		switch {
		case len(arg.Value) > 0:
			words = append(words, string(arg.Value))
		case arg.Description != "":
			words = append(words, arg.Description)
		default:
			words = append(words, string(arg.Type))
		}
	}
	return strings.Join(words, " ")
}
