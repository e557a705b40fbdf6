package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/stripe"
)

// called counts one request to Stripe: retries and refusals count too, since
// Stripe counts them.
func (p *pass) called(c stripe.Call) {
	if p.Hooks.OnCall != nil {
		p.Hooks.OnCall(c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.calls[c.Endpoint]
	if n == nil {
		n = &callCount{}
		p.calls[c.Endpoint] = n
	}
	n.n++
	p.report.Budget.Requests++
	if c.Reason != "" {
		n.refused++
	}
	for i := range p.progress {
		if p.progress[i].Resource == resourceOf(c.Endpoint) {
			p.progress[i].Requests++
			if c.Reason != "" {
				p.progress[i].Refused++
			}
		}
	}
}

// resourceOf names the resource that an endpoint is read for, "" for none.
func resourceOf(endpoint string) string {
	if strings.HasPrefix(endpoint, "/v1/subscription_items") {
		return "subscriptions"
	}
	for _, r := range stripe.Resources {
		if endpoint == r.Path || strings.HasPrefix(endpoint, r.Path+"/") {
			return r.Name
		}
	}
	return ""
}

// flushCalls writes the counts to the store, by day.
func (p *pass) flushCalls(ctx context.Context) error {
	p.mu.Lock()
	calls := p.calls
	p.calls = map[string]*callCount{}
	for i := range p.report.Resources {
		p.report.Resources[i].Requests, p.report.Resources[i].Refused = p.progress[i].Requests, p.progress[i].Refused
	}
	p.mu.Unlock()
	for endpoint, n := range calls {
		if err := p.home.store.AddReads(ctx, p.began, endpoint, n.n, n.refused); err != nil {
			return err
		}
	}
	return nil
}

// progressEvery is how often Progress is called and the meter is written.
const progressEvery = 200 * time.Millisecond

// tick reports progress until the function it returns is called.
func (p *pass) tick() (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(progressEvery)
		defer t.Stop()
		for {
			select {
			case <-done:
				p.tell()
				return
			case <-t.C:
				p.tell()
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (p *pass) tell() {
	if p.Progress == nil {
		return
	}
	p.mu.Lock()
	now := Progress{Elapsed: time.Since(p.began), Resources: slices.Clone(p.progress)}
	p.mu.Unlock()
	var pages []ResourceReport
	for _, r := range now.Resources {
		pages = append(pages, ResourceReport{Requests: r.Requests + int64(r.PagesLeft)})
	}
	now.Floor = floor(p.limits, p.Share, pages)
	p.Progress(now)
}
