package stripe

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tributary-data/tributary/internal/problem"
)

// Names under which a Probe has what it found besides the resources.
const (
	Events  = "events"
	Account = "account"
)

// A Probe is what a key can read.
type Probe struct {
	Account string            // acct_…; "" when Stripe does not tell, and Refused says why
	Name    string            // of the account, as its Dashboard shows it; "" when Stripe does not tell
	Mode    Mode              // by the objects seen, else by the key
	Refused map[string]*Error // by resource name, Events or Account; a readable one is absent
}

// Probe reads one object of each resource, one event and the account's id, at
// the same time. Its error is the one that would meet every read: the key, the
// account or the network; what concerns one resource is in Probe.Refused.
func (c *Client) Probe(ctx context.Context, resources []Resource) (Probe, error) {
	type ask struct {
		name, path string
		query      url.Values
	}
	asks := []ask{{Account, "/v1/account", nil}}
	for _, r := range resources {
		query := url.Values{"limit": {"1"}}
		maps.Copy(query, r.Variants[0].Query)
		asks = append(asks, ask{r.Name, r.Path, query})
	}
	asks = append(asks, ask{Events, eventsPath, url.Values{"limit": {"1"}}})

	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var global *Error
	var other error
	p := Probe{Mode: c.Key.Mode(), Refused: map[string]*Error{}}
	named := "" // an account that a refusal names
	for _, a := range asks {
		wg.Go(func() {
			resp, err := c.Get(inner, a.path, a.path, a.query, urgent)
			mu.Lock()
			defer mu.Unlock()
			var fail *Error
			switch {
			case err == nil:
				p.see(resp.Body)
				resp.Release()
			case !errors.As(err, &fail): // the context's, or the client's own fields
				if other == nil { // what follows was only canceled
					other = err
				}
				cancel()
			case fail.Global():
				if global == nil {
					global = fail
				}
				cancel()
			default:
				if fail.account != "" {
					named = fail.account
				}
				p.Refused[a.name] = fail
			}
		})
	}
	wg.Wait()
	if global != nil {
		return Probe{}, global
	}
	if other != nil {
		return Probe{}, other
	}
	if p.Account == "" {
		p.Account = c.Account
	}
	if p.Account == "" {
		p.Account = named
	}
	return p, nil
}

// see takes the account's id and the mode from an answer.
func (p *Probe) see(body []byte) {
	var answer struct {
		ID, Object string
		Data       []struct{ Livemode *bool }
		Settings   struct {
			Dashboard struct {
				Name string `json:"display_name"`
			}
		}
		Business struct{ Name string } `json:"business_profile"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	if answer.Object == "account" && accountID.FindString(answer.ID) == answer.ID {
		p.Account, p.Name = answer.ID, cmp.Or(answer.Settings.Dashboard.Name, answer.Business.Name)
	}
	if p.Mode == Unknown && len(answer.Data) > 0 && answer.Data[0].Livemode != nil {
		p.Mode = Test
		if *answer.Data[0].Livemode {
			p.Mode = Live
		}
	}
}

// Missing returns one error that names every permission that reading the
// resources and events takes and the key lacks, or nil.
func (p Probe) Missing() error {
	var ids []string
	advice := ""
	for _, name := range slices.Sorted(maps.Keys(p.Refused)) {
		e := p.Refused[name]
		if name == Account || e.Permission == "" {
			continue
		}
		advice = e.Advice
		for id := range strings.SplitSeq(e.Permission, ", ") {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return &problem.Error{
		Kind:   problem.Forbidden,
		Detail: "the key lacks permissions: " + permissionText(strings.Join(ids, ", ")),
		Advice: advice,
	}
}
