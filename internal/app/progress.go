package app

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/stripe"
)

// admit counts a request to Stripe before it goes out, or bars it: retries and
// refusals count too, since Stripe counts them.
func (p *pass) admit(endpoint string) error {
	if err := p.meter.take(endpoint); err != nil {
		return err
	}
	p.each(endpoint, func(r *ResourceProgress) {
		if p.opened {
			r.Requests++
		}
	})
	return nil
}

// each calls do, under the lock, for the resource that an endpoint is read for.
func (p *pass) each(endpoint string, do func(*ResourceProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.progress {
		if p.progress[i].Resource == resourceOf(endpoint) {
			do(&p.progress[i])
		}
	}
}

// called is told what became of a request.
func (p *pass) called(c stripe.Call) {
	if p.Hooks.OnCall != nil {
		p.Hooks.OnCall(c)
	}
	if c.Reason != "" {
		p.meter.refused(c.Endpoint)
	}
	p.each(c.Endpoint, func(r *ResourceProgress) {
		if c.Reason != "" && p.opened {
			r.Refused++
		}
	})
	if c.Status == http.StatusOK {
		p.trouble(c.Endpoint, nil)
	}
}

// retried is told why a request is tried again.
func (p *pass) retried(e *stripe.Error) { p.trouble(e.Endpoint, e) }

// trouble notes, for the resources that wait for a request to endpoint, why it
// is tried again; nil for no more. All wait for the events.
func (p *pass) trouble(endpoint string, why *stripe.Error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.progress {
		r := &p.progress[i]
		if of := resourceOf(endpoint); of == "" || of == r.Resource {
			r.Trouble = why
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

// countRequests puts what each resource took into the report.
func (p *pass) countRequests() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.report.Resources {
		p.report.Resources[i].Requests, p.report.Resources[i].Refused = p.progress[i].Requests, p.progress[i].Refused
	}
}

const (
	// progressEvery is how often Progress is called.
	progressEvery = 200 * time.Millisecond
	// quietFor is how long finding out what the key may read takes before it
	// shows: as a rule it is done by then, or it ends with one sentence.
	quietFor = 3 * time.Second
)

// tick reports progress, after a while, until the function it returns is called.
func (p *pass) tick(after time.Duration) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-done:
			if after == 0 {
				p.tell()
			}
			return
		case <-time.After(after):
		}
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
