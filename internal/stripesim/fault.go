package stripesim

import (
	"strings"
	"sync"
)

// faults runs a Plan.
type faults struct {
	plan Plan

	mu       sync.Mutex
	requests int
	matched  []int // of each rule
	fired    []int
	previous map[string][]byte // the latest page of each walk, for Repeat
	repeats  bool
}

func (f *faults) init(p Plan) {
	f.plan = p
	f.matched, f.fired = make([]int, len(p.Rules)), make([]int, len(p.Rules))
	f.previous = map[string][]byte{}
	f.requests = 0
	f.repeats = false
	for _, r := range p.Rules {
		f.repeats = f.repeats || r.Action == Repeat
	}
}

// next counts a request and returns the rule that acts on it, nil for none,
// and the steps to take.
func (f *faults) next(endpoint string) (act *Rule, steps []Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	for i := range f.plan.Rules {
		r := &f.plan.Rules[i]
		if !r.concerns(endpoint) || r.From > f.requests || r.To > 0 && r.To < f.requests || r.Times > 0 && f.fired[i] >= r.Times {
			continue
		}
		f.matched[i]++
		if !r.due(f.matched[i], f.plan.Seed, i) || act != nil && r.Action != "" {
			continue
		}
		f.fired[i]++
		if r.Action != "" {
			act = r
		}
		steps = append(steps, r.Then...)
	}
	return act, steps
}

func (r *Rule) concerns(endpoint string) bool {
	return r.Endpoint == "" || r.Endpoint == endpoint || "GET /v1/"+strings.TrimPrefix(r.Endpoint, "/v1/") == endpoint
}

// due says whether the rule fires on the n-th request that it concerns.
func (r *Rule) due(n int, seed uint64, rule int) bool {
	if r.Nth > 0 && n != r.Nth || r.Every > 0 && n%r.Every != 0 {
		return false
	}
	if r.Probability == 0 {
		return true
	}
	draw := rng{mix(seed ^ uint64(rule)<<32 ^ uint64(n))}
	return draw.chance(r.Probability)
}

// remember keeps a page where the plan has a Repeat; walk names the list and its
// filters.
func (f *faults) remember(walk string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.repeats {
		return
	}
	f.previous[walk] = append([]byte(nil), body...)
}

func (f *faults) recall(walk string) ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, ok := f.previous[walk]
	return body, ok
}

// SetPlan replaces the fault plan and its counts, from the next request on.
func (s *Sim) SetPlan(p Plan) error {
	if err := p.check(); err != nil {
		return err
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.init(p)
	return nil
}

const gatewayHTML = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n" +
	"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

const errorHTML = "<!DOCTYPE html>\n<html><head><title>We're sorry, but something went wrong</title></head><body><h1>500</h1></body></html>\n"

// instead returns the answer that an action gives in place of the right one.
func (r *Rule) instead() (*answer, bool) {
	switch r.Action {
	case Respond:
		a := &answer{status: r.Status, body: []byte(r.Body), header: r.Headers}
		return a, true
	case LockTimeout:
		err := &apiError{status: 429, code: "lock_timeout", silent: true, message: "This object can't be accessed right now because another API request " +
			"or Stripe process is currently accessing it. If you see this error intermittently, retry the request."}
		return err.answer(), true
	case "global-rate", "endpoint-rate", "global-concurrency", "endpoint-concurrency", "resource-specific":
		return rateLimited(string(r.Action)).answer(), true
	case InternalError:
		return &answer{status: 500, body: []byte(errorHTML), header: map[string]string{"Content-Type": "text/html"}}, true
	case BadGateway:
		return &answer{status: 502, body: []byte(gatewayHTML), header: map[string]string{"Content-Type": "text/html"}, silent: true}, true
	case Unavailable, UnavailableEnd:
		a := (&apiError{status: 503, message: "An unknown error occurred."}).answer()
		a.header["Stripe-Should-Retry"] = "true"
		if r.Action == UnavailableEnd {
			a.header["Stripe-Should-Retry"] = "false"
		}
		return a, true
	}
	return nil, false
}
