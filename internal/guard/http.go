package guard

import (
	"context"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Egress is what somebody needs to know who configures a firewall, or binds a
// Stripe key to addresses.
type Egress struct {
	// Addresses are those that others see the server's calls come from, as the
	// operator configured them.
	Addresses []string `json:"egressAddresses"`
	// Destinations are the hosts that the server must reach.
	Destinations []Destination `json:"destinations"`
	// Proxy is the outgoing proxy in use, without credentials; may be empty.
	Proxy string `json:"proxy,omitempty"`
}

// base of the service.
const base = "/data/foundation/network"

// HTTP returns the service. The lists are administrators'; the addresses of
// the server are for all who see sources.
func (s *Service) HTTP() *gateway.Service {
	admin := access.Administrator()
	return &gateway.Service{
		Name: "network", Base: base,
		Shape: func(f *gateway.Failure, requestID string) any {
			return map[string]any{"type": "http://ns.adobe.com/aep/errors/NETWORK-" + strconv.Itoa(f.Status), "status": f.Status, "title": f.Title, "detail": f.Detail, "requestId": requestID}
		},
		Routes: []gateway.Route{
			{Method: "GET", Path: "/allow-lists/{level}", Need: admin, Handle: s.get},
			{Method: "PUT", Path: "/allow-lists/{level}", Need: admin, Handle: s.put, MaxBody: 1 << 20},
			{Method: "DELETE", Path: "/allow-lists/{level}", Need: admin, Handle: s.delete},
			{Method: "GET", Path: "/egress", Need: access.AnyOf(access.ViewSources, access.ManageSources), Handle: s.egress},
		},
	}
}

// view is a list as the API shows it.
type view struct {
	Level   Level   `json:"level"`
	Sandbox string  `json:"sandboxName,omitempty"`
	Entries []Entry `json:"entries"`
	By      string  `json:"updatedBy"`
}

func show(c *gateway.Call, level Level, l List) *gateway.Answer {
	v := view{Level: level, Entries: l.Entries, By: l.UpdatedBy}
	if level == Sandbox {
		v.Sandbox = c.Sandbox.Name
	}
	return gateway.OK(v)
}

func level(c *gateway.Call) (Level, error) {
	switch l := Level(c.Var("level")); l {
	case Organization, Sandbox:
		return l, nil
	}
	return "", problem.Errorf(problem.NotFound, "there are lists of the organization and of the sandbox: /allow-lists/organization, /allow-lists/sandbox")
}

func (s *Service) get(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	level, err := level(c)
	if err != nil {
		return nil, err
	}
	l, err := s.List(ctx, c.Caller, level)
	if err != nil {
		return nil, err
	}
	return show(c, level, l), nil
}

func (s *Service) put(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	level, err := level(c)
	if err != nil {
		return nil, err
	}
	force := false
	if text := c.HTTP.URL.Query().Get("force"); text != "" {
		if force, err = strconv.ParseBool(text); err != nil {
			return nil, problem.Errorf(problem.Invalid, "force is true or false")
		}
	}
	var body struct{ Entries []Entry }
	if err := c.JSON(&body); err != nil {
		return nil, err
	}
	from, err := s.Proxies.Address(c.HTTP)
	if err != nil && !force {
		return nil, &problem.Error{Kind: problem.Conflict, Detail: "where you call from is not known, so the list might lock you out", Err: err, Advice: "Say force=true, or make the proxy in front send the header"}
	}
	l, err := s.SetList(ctx, c.Caller, level, body.Entries, from, force)
	if err != nil {
		return nil, err
	}
	return show(c, level, l), nil
}

func (s *Service) delete(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	level, err := level(c)
	if err != nil {
		return nil, err
	}
	if err := s.DeleteList(ctx, c.Caller, level); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (s *Service) egress(context.Context, *gateway.Call) (*gateway.Answer, error) {
	e := s.Egress
	if e.Addresses == nil {
		e.Addresses = []string{}
	}
	if e.Destinations == nil {
		e.Destinations = []Destination{}
	}
	return gateway.OK(e), nil
}
