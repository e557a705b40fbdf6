package offer

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/recommend"
)

// A Visit is whom something may be offered to.
type Visit struct {
	Customer string // id at Stripe; "" where it isn't known
	Cart
}

// Give returns an offer of a sandbox (both by id) as JSON text, from memory, if
// all of its conditions hold for a visit:
//
//	{"id": "…", "key": "gift-wrap", "name": "…", "active": true, "items": […], "conditions": {…}}
//
// Else it says which doesn't, by its name: what isn't known of a visit holds for
// none. problem.NotFound.
func (s *Service) Give(ctx context.Context, sandbox, id string, v Visit) (text json.RawMessage, why string, err error) {
	m, err := s.remember(ctx, sandbox)
	if err != nil {
		return nil, "", err
	}
	k, ok := m.offers[id]
	if !ok {
		return nil, "", missing(docstore.ErrNotFound, id)
	}
	if why, err = s.fits(ctx, sandbox, m, k.Kept, v); why != "" || err != nil {
		return nil, why, err
	}
	return k.text, "", nil
}

// fits returns the name of the first condition of an offer that doesn't hold, ""
// where all do.
func (s *Service) fits(ctx context.Context, sandbox string, m *memory, k Kept, v Visit) (why string, err error) {
	why, ok := k.Fits(v.Cart, s.Now())
	if ok && slices.ContainsFunc(k.Items, func(i Item) bool { return m.retired[i.Price] }) {
		return "price", nil
	}
	if !ok || k.Conditions.Audience == "" {
		return why, nil
	}
	if s.Member != nil && v.Customer != "" {
		if is, err := s.Member(ctx, sandbox, k.Conditions.Audience, v.Customer); is || err != nil {
			return "", err
		}
	}
	return "audience", nil
}

// Recommend returns n items at most that go with a visit's cart, likeliest first,
// from memory: none where no model was made. What the account doesn't sell any more,
// or not in the cart's currency, is none of them. Of an item that there are offers
// of at this time, one has to fit the visit. The next item takes the place of what
// is left out. Beside that the customer makes no difference; a model knows of none.
func (s *Service) Recommend(ctx context.Context, sandbox string, v Visit, n int) ([]recommend.Recommendation, error) {
	m, err := s.remember(ctx, sandbox)
	if err != nil {
		return nil, err
	}
	if m.model == nil || n <= 0 {
		return nil, m.broken
	}
	// Most often nothing is left out; what may be is what has offers, or is in the cart.
	for ask := n; ; ask = n + len(m.of) + len(m.model.Sold) + len(v.Items) {
		all := m.model.Recommend(v.Items, ask)
		var out []recommend.Recommendation
		for _, r := range all {
			if slices.Contains(v.Items, r.Item) || !m.model.Sells(r.Item, strings.ToLower(v.Currency)) {
				continue // in a large cart, which a model doesn't look at whole; or nobody can buy it
			}
			may, err := s.may(ctx, sandbox, m, m.of[r.Item], v)
			if err != nil {
				return nil, err
			}
			if may {
				out = append(out, r)
			}
		}
		if len(out) >= n || len(all) < ask || ask > n {
			return out[:min(n, len(out))], nil
		}
	}
}

// may says whether an item of these offers may be recommended.
func (s *Service) may(ctx context.Context, sandbox string, m *memory, offers []remembered, v Visit) (bool, error) {
	now, may := s.Now(), true
	for _, k := range offers {
		if !k.In(now) {
			continue
		}
		may = false
		if why, err := s.fits(ctx, sandbox, m, k.Kept, v); why == "" || err != nil {
			return true, err
		}
	}
	return may, nil
}

// Recommendations is Recommend as JSON text: [] where there are none.
func (s *Service) Recommendations(ctx context.Context, sandbox string, v Visit, n int) (json.RawMessage, error) {
	all, err := s.Recommend(ctx, sandbox, v, n)
	if err != nil {
		return nil, err
	}
	return json.Marshal(append([]recommend.Recommendation{}, all...))
}
