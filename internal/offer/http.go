package offer

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

// The service is /data/tributary/offers, an API of ours. Answers are of the
// caller's sandbox; what is another's is a 404. Times are RFC 3339 in UTC. GET, and
// trying a cart, reads with View Datasets or Manage Datasets, all else asks for
// Manage Datasets. Failures are {"errorCode", "httpStatus", "title", "details": […]}.
// Changes of an offer take If-Match with the ETag that was read, and are a 412
// where it is another by now.
//
// # An offer
//
//	{"id": "…", "key": "gift-wrap", "name": "Gift wrapping", "description": "…", "active": true,
//	 "items": [{"item": "gift-wrap", "name": "…", "price": "price_…", "amount": 400, "currency": "eur"}],
//	 "conditions": {"currency": "eur", "minimumCart": 3000, "contains": ["24-MB01"], "excludes": [], "countries": ["DE"],
//	   "audience": "…", "from": "…", "until": "…"},
//	 "createdBy": "…", "updatedBy": "…", "createdAt": "…", "updatedAt": "…", "version": 3}
//
// item is the id that carts and orders have. An item has a price of Stripe's, or
// an amount (minor units) and a currency; where there is a copy of the account, a
// price that is not there, or not active, is a 400, and amount and currency are
// the price's. All prices of an active offer are in one currency, and only a cart
// in that one gets it, where it says which it has. A condition that is left out is
// for all.
//
// # GET /, POST /
//
// {"items": […]}, the newest first.
//
// # GET /{id}, PATCH /{id}, DELETE /{id}, GET /{id}/versions
//
// PATCH replaces the members that its body has; key can't change. What a variant of
// a running experiment gives stays as it is, but for a later conditions.until while
// that has not come: else a PATCH is a 409. So is a DELETE of what an experiment
// gives that runs or ships it.
//
// # GET /model, POST /model, DELETE /model
//
//	{"metadata": "items", "format": "", "subscriptions": false, "copy": "", "options": {"minSupport": 2, "prior": 20, "rules": 100},
//	 "at": "…", "orders": 9149, "cutShort": 0, "without": 0, "items": 72, "rules": 1834}
//
// POST makes the model of what was bought together, of the members of the first
// line, and takes it into use; it is made again by itself when the copy changes.
// metadata is the key of the charges' metadata that names an order's items: a list
// with commas, or JSON (ids, or objects with sku, id, item_id, product_id, product,
// price_id or price). subscriptions takes the prices of a subscription for an
// order. copy is needed where the sandbox has several.
//
// # POST /recommendations, GET /recommendations?cart=a,b&n=3
//
//	{"customer": "cus_…", "cart": ["24-MB01"], "n": 3, "value": 3400, "currency": "eur", "country": "DE"}
//
//	{"recommendations": [{"item": "24-UG06", "score": 0.31,
//	   "reason": {"with": "24-MB01", "orders": 120, "support": 0.013, "confidence": 0.28, "lift": 4.1}}],
//	 "offers": [{"id": "…", "key": "gift-wrap", "name": "…", "fits": false, "why": "minimumCart"}]}
//
// What goes with a cart, and which offers fit it; why is the first condition that
// doesn't hold, or price where one of its prices is not active any more. Recommended
// is nothing of the cart, no price or product that the account does not sell any
// more or not in the cart's currency, and an item of which there are offers at this
// time only where one of them fits. A 404 where there is no model.
const base = "/data/tributary/offers"

const maxBody = 1 << 20

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	return &gateway.Service{
		Name: "offers", Base: base, Shape: gateway.Observability("OFFER-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "", Need: view, Handle: s.list},
			{Method: "POST", Path: "", Need: manage, MaxBody: maxBody, Handle: s.create},
			{Method: "GET", Path: "/model", Need: view, Handle: s.model},
			{Method: "POST", Path: "/model", Need: manage, MaxBody: maxBody, Handle: s.build},
			{Method: "DELETE", Path: "/model", Need: manage, Handle: s.unbuild},
			{Method: "GET", Path: "/recommendations", Need: view, Handle: s.tryGet},
			{Method: "POST", Path: "/recommendations", Need: view, MaxBody: maxBody, Handle: s.tryPost},
			{Method: "GET", Path: "/{id}", Need: view, Handle: s.read},
			{Method: "PATCH", Path: "/{id}", Need: manage, MaxBody: maxBody, Handle: s.patch},
			{Method: "DELETE", Path: "/{id}", Need: manage, Handle: s.remove},
			{Method: "GET", Path: "/{id}/versions", Need: view, Handle: s.versions},
		},
	}
}

// shown is an offer as the API shows it.
type shown struct {
	Kept
	CreatedAt string `json:"createdAt"`
	UpdatedAt string `json:"updatedAt"`
	Version   int64  `json:"version"`
}

const timeForm = "2006-01-02T15:04:05.000Z"

func show(k Kept) shown {
	return shown{k, k.Created.Format(timeForm), k.Updated.Format(timeForm), k.Revision}
}

func answer(k Kept, err error) (*gateway.Answer, error) {
	if err != nil {
		return nil, err
	}
	return gateway.OK(show(k)).InRevision(k.Revision), nil
}

func match(c *gateway.Call) Match {
	see := c.IfRevision("offer")
	return func(k Kept) error { return see(k.Revision) }
}

func (s *Service) list(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.List(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	items := []shown{}
	for _, k := range all {
		items = append(items, show(k))
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) create(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Members(append([]string{"key"}, settable...)...)
	if err != nil {
		return nil, err
	}
	var o Offer
	if err := fill(body)(&o); err != nil {
		return nil, err
	}
	kept, err := s.Create(ctx, c.Caller, o)
	if err != nil {
		return nil, err
	}
	return gateway.Created(base+"/"+kept.ID.String(), show(kept)).InRevision(kept.Revision), nil
}

func (s *Service) read(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	return answer(s.Read(ctx, c.Caller, c.Var("id")))
}

func (s *Service) patch(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := c.Members(settable...)
	if err != nil {
		return nil, err
	}
	return answer(s.Change(ctx, c.Caller, c.Var("id"), match(c), fill(body)))
}

func (s *Service) remove(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.Delete(ctx, c.Caller, c.Var("id"), match(c)); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (s *Service) versions(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Versions(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	type at struct {
		Version
		At string `json:"at"`
	}
	items := []at{}
	for _, v := range all {
		items = append(items, at{v, v.At.Format(timeForm)})
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

// showModel leaves out what is of no use to others.
func showModel(m Made) any {
	return struct {
		Made
		Mark int `json:"mark,omitempty"`
		File int `json:"file,omitempty"`
	}{Made: m}
}

func (s *Service) model(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	m, err := s.Made(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	return gateway.OK(showModel(m)), nil
}

func (s *Service) build(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var set Settings
	if err := strict(c, &set); err != nil {
		return nil, err
	}
	m, err := s.Build(ctx, c.Caller, set)
	if err != nil {
		return nil, err
	}
	return gateway.OK(showModel(m)), nil
}

func (s *Service) unbuild(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.Unmake(ctx, c.Caller); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

// An asked is a cart that somebody tries.
type asked struct {
	Customer string   `json:"customer"`
	Cart     []string `json:"cart"`
	N        *int     `json:"n"`
	Value    int64    `json:"value"`
	Currency string   `json:"currency"`
	Country  string   `json:"country"`
}

func (s *Service) tryGet(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	q := c.HTTP.URL.Query()
	for name := range q {
		if name != "cart" && name != "n" {
			return nil, problem.Errorf(problem.Invalid, "there is no parameter %.100q, only cart and n; customers are not named in addresses", name)
		}
	}
	var a asked
	a.Cart, _ = recommend.ParseItems(q.Get("cart"), recommend.List)
	if text := q.Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, problem.Errorf(problem.Invalid, "n: %.20q is no number", text)
		}
		a.N = &n
	}
	return s.try(ctx, c.Caller, a)
}

func (s *Service) tryPost(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	var a asked
	if err := strict(c, &a); err != nil {
		return nil, err
	}
	return s.try(ctx, c.Caller, a)
}

func (s *Service) try(ctx context.Context, c access.Caller, a asked) (*gateway.Answer, error) {
	n := 5
	if a.N != nil {
		n = *a.N
	}
	if n < 1 || n > 100 || len(a.Cart) > 1000 {
		return nil, problem.Errorf(problem.Invalid, "n: 1 to 100 items are recommended, for a cart of 1000 at most")
	}
	if _, err := s.Made(ctx, c); err != nil {
		return nil, err
	}
	v := Visit{Customer: a.Customer, Cart: Cart{Items: a.Cart, Value: a.Value, Currency: a.Currency, Country: a.Country}}
	recommended, err := s.Recommend(ctx, c.Sandbox.ID, v, n)
	if err != nil {
		return nil, err
	}
	all, err := s.List(ctx, c)
	if err != nil {
		return nil, err
	}
	type fit struct {
		ID   string `json:"id"`
		Key  string `json:"key"`
		Name string `json:"name"`
		Fits bool   `json:"fits"`
		Why  string `json:"why,omitempty"`
	}
	offers := []fit{}
	m, err := s.remember(ctx, c.Sandbox.ID)
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		why, err := s.fits(ctx, c.Sandbox.ID, m, k, v)
		if err != nil {
			return nil, err
		}
		offers = append(offers, fit{k.ID.String(), k.Key, k.Name, why == "", why})
	}
	return gateway.OK(map[string]any{"recommendations": append([]recommend.Recommendation{}, recommended...), "offers": offers}), nil
}

// strict reads a body that has no members that are not known.
func strict(c *gateway.Call, into any) error {
	text, err := c.Bytes()
	if err != nil {
		return err
	}
	if err := gateway.DecodeJSON(text, new(json.RawMessage)); err != nil { // says line and column
		return err
	}
	return gateway.Strict(text, into)
}

// settable are the members of an offer that can be changed; its key is set once.
var settable = []string{"name", "description", "active", "items", "conditions"}

// fill returns what writes members of a body into an offer.
func fill(m gateway.Members) func(*Offer) error {
	return func(o *Offer) error {
		return m.Fill(map[string]any{
			"key": &o.Key, "name": &o.Name, "description": &o.Description, "active": &o.Active, "items": &o.Items, "conditions": &o.Conditions,
		})
	}
}
