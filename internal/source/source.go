// Package source asks Stripe in the name of connections. Whoever reads an
// account goes by its one pacer, so that previews and passes share its limits.
package source

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Stripe is the source of all connections. It is safe for concurrent use and
// must not be copied.
type Stripe struct {
	URL  string       // "" for stripe.DefaultURL
	HTTP *http.Client // nil for one of its own
	Log  *slog.Logger // nil for none
	Now  func() time.Time
	// Limits are those of an account; nil for Stripe's own of the key's mode.
	Limits *stripe.Limits
	Share  float64      // of the limits; 0 for DefaultShare
	Retry  stripe.Retry // of those who wait for an answer; zero fields for fewer tries than a pass makes

	once sync.Once
	http *http.Client

	mu     sync.Mutex
	pacers map[string]*stripe.Pacer // by account and mode, or by fingerprint where that is not known
	names  map[string]string        // of accounts, by the fingerprint of credentials that Stripe took
}

// DefaultShare is how much of an account's limits is used.
const DefaultShare = 0.6

// Client returns a client that reads with the credentials. It has the pacer that
// all clients of the account share, and tries as often as passes do.
func (s *Stripe) Client(c flow.Credentials) *stripe.Client {
	return s.client(c, s.Pacer(c))
}

func (s *Stripe) client(c flow.Credentials, pacer *stripe.Pacer) *stripe.Client {
	s.once.Do(func() {
		if s.http = s.HTTP; s.http == nil {
			s.http = &http.Client{Transport: stripe.NewTransport()}
		}
	})
	return &stripe.Client{BaseURL: s.URL, Key: c.Key, Account: c.Account, HTTP: s.http, Pacer: pacer, Log: s.Log, Now: s.Now}
}

// Pacer returns the pacer of the account that the credentials open, as far as
// that is known: Verify tells it.
func (s *Stripe) Pacer(c flow.Credentials) *stripe.Pacer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keep(cmp.Or(s.names[c.Fingerprint()], c.Fingerprint()), s.pacer(c))
}

// Pace says how fast the account of the credentials is read now.
func (s *Stripe) Pace(c flow.Credentials) stripe.Pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pacer(c).Pace()
}

// pacer returns what paces the credentials now. That of unknown ones is not
// kept: anybody may make up keys.
func (s *Stripe) pacer(c flow.Credentials) *stripe.Pacer {
	if p := s.pacers[cmp.Or(s.names[c.Fingerprint()], c.Fingerprint())]; p != nil {
		return p
	}
	limits := stripe.DefaultLimits(c.Key.Mode())
	if s.Limits != nil {
		limits = *s.Limits
	}
	return stripe.NewPacer(limits, cmp.Or(s.Share, DefaultShare), s.Now)
}

func (s *Stripe) keep(name string, p *stripe.Pacer) *stripe.Pacer {
	if s.pacers == nil {
		s.pacers, s.names = map[string]*stripe.Pacer{}, map[string]string{}
	}
	if s.pacers[name] == nil {
		s.pacers[name] = p
	}
	return s.pacers[name]
}

// learn notes that Stripe took the credentials, and whose they are.
func (s *Stripe) learn(c flow.Credentials, a flow.Account, p *stripe.Pacer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := c.Fingerprint()
	if a.ID != "" {
		name = a.ID + " test"
		if a.Livemode {
			name = a.ID + " live"
		}
	}
	s.keep(name, p)
	s.names[c.Fingerprint()] = name
}

// learned notes that Stripe took credentials whose account may not be known.
func (s *Stripe) learned(c flow.Credentials, p *stripe.Pacer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(cmp.Or(s.names[c.Fingerprint()], c.Fingerprint()), p)
}

// hasty returns a client for one who waits.
func (s *Stripe) hasty(c flow.Credentials) *stripe.Client {
	s.mu.Lock()
	p := s.pacer(c)
	s.mu.Unlock()
	client := s.client(c, p)
	client.Retry = s.Retry
	client.Retry.Tries = cmp.Or(client.Retry.Tries, 3)
	client.Retry.For = cmp.Or(client.Retry.For, 10*time.Second)
	client.Retry.ConnectTries = cmp.Or(client.Retry.ConnectTries, 2)
	client.Retry.ConnectFor = cmp.Or(client.Retry.ConnectFor, 5*time.Second)
	return client
}

// Verify asks what the credentials may read, in one request for each resource,
// one for the events and one for the account.
func (s *Stripe) Verify(ctx context.Context, c flow.Credentials) (flow.Verified, error) {
	client := s.hasty(c)
	found, err := client.Probe(ctx, stripe.Resources)
	if err != nil {
		return flow.Verified{}, err
	}
	if found.Account == "" {
		// Who could not be asked may be known the next time; who may not be seen
		// never is, but then something else can be read.
		e := found.Refused[stripe.Account]
		if e == nil {
			return flow.Verified{}, problem.Errorf(problem.Unavailable, "something that is not Stripe's API answered")
		}
		readable := slices.ContainsFunc(stripe.Resources, func(r stripe.Resource) bool { return found.Refused[r.Name] == nil })
		if e.Kind == problem.Unavailable || !readable {
			return flow.Verified{}, e
		}
	}
	v := flow.Verified{
		Account: flow.Account{ID: found.Account, Livemode: found.Mode == stripe.Live, Fingerprint: c.Fingerprint()},
		Refused: map[string]string{}, Name: found.Name,
	}
	for name, e := range found.Refused {
		if name == stripe.Account { // of no use but to name it
			continue
		}
		short := *e
		short.Advice = ""
		v.Refused[name] = short.Error()
	}
	var names []string
	for _, r := range stripe.Resources {
		names = append(names, r.Name)
	}
	for _, name := range append(names, stripe.Events) {
		right := flow.Right{For: name, Need: stripe.PermissionFor(name), Refused: v.Refused[name]}
		if e := found.Refused[name]; e != nil {
			right.Missing = stripe.Permissions(e.Permission)
		}
		v.Rights = append(v.Rights, right)
	}
	s.learn(c, v.Account, client.Pacer)
	return v, nil
}

// Sample returns the newest objects of a resource, at most n and a page of each
// of its lists. Passes go first.
func (s *Stripe) Sample(ctx context.Context, c flow.Credentials, resource string, n int) ([]json.RawMessage, error) {
	r, ok := stripe.Lookup(resource)
	if !ok {
		return nil, problem.Errorf(problem.Invalid, "there is no resource %q", resource)
	}
	client := s.hasty(c)
	type object struct {
		text    json.RawMessage
		created int64
	}
	var all []object
	for _, variant := range r.Variants {
		page, err := client.List(ctx, r, variant, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, it := range page.List.Items {
			all = append(all, object{slices.Clone(it.Raw), it.Created})
		}
		page.Release()
	}
	slices.SortStableFunc(all, func(a, b object) int { return cmp.Compare(b.created, a.created) })
	var rows []json.RawMessage
	for _, o := range all[:min(n, len(all))] {
		rows = append(rows, o.text)
	}
	s.learned(c, client.Pacer)
	return rows, nil
}
