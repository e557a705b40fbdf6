package stripesim

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxEndpoints = 16             // of one mode
	rollTime     = 24 * 60 * 60   // how long a rolled secret still signs, in seconds
	giveUpTime   = 3 * daySeconds // how long a delivery is tried again
)

// An endpoint is where events are sent to.
type endpoint struct {
	id, url, description string
	version              string // of what is sent; empty: the account's
	mode                 Mode
	types                []string
	metadata             *node
	created              int64
	secrets              []secret // newest first
}

// A secret signs until a time; 0: for ever.
type secret struct {
	text  string
	until int64
}

// answerEndpoint answers everything under /v1/webhook_endpoints.
func (s *Sim) answerEndpoint(r *http.Request, rt route, values url.Values, by caller) *answer {
	var body *node
	var refused *apiError
	switch {
	case r.Method == http.MethodPost:
		r.Body = http.MaxBytesReader(nil, r.Body, 1<<20)
		if err := r.ParseForm(); err != nil {
			refused = badRequest("", "", "Invalid request body: %s", err)
			break
		}
		body, refused = s.createEndpoint(r.PostForm, by.mode)
	case r.Method == http.MethodDelete:
		body, refused = s.deleteEndpoint(rt.id, by.mode)
	case rt.id == "":
		body, refused = s.listEndpoints(values, by.mode)
	default:
		s.mu.RLock()
		defer s.mu.RUnlock()
		i := s.findEndpoint(rt.id, by.mode)
		if i < 0 {
			refused = missing(404, "webhook endpoint", rt.id, "id")
			break
		}
		body = s.endpoints[i].node()
	}
	if refused != nil {
		return refused.answer()
	}
	e := &enc{}
	e.node(body)
	return &answer{status: http.StatusOK, body: append(e.b, '\n')}
}

func (s *Sim) createEndpoint(form url.Values, mode Mode) (*node, *apiError) {
	ep := &endpoint{mode: mode, metadata: fields()}
	for _, name := range sortedKeys(form) {
		value := form[name][len(form[name])-1]
		base, key, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		switch base {
		case "url":
			ep.url = value
		case "enabled_events":
			ep.types = append(ep.types, form[name]...)
		case "api_version":
			ep.version = value
		case "description":
			ep.description = value
		case "metadata":
			ep.metadata = ep.metadata.with(key, stringNode(value))
		case "connect":
		default:
			return nil, unknownParameter(name)
		}
	}
	if err := ep.check(); err != nil {
		return nil, err
	}
	return s.addEndpoint(ep)
}

func sortedKeys(form url.Values) []string {
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (ep *endpoint) check() *apiError {
	switch u, err := url.Parse(ep.url); {
	case ep.url == "":
		return badRequest("parameter_missing", "url", "Missing required param: url.")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return badRequest("url_invalid", "url", "Not a valid URL")
	case ep.mode == Live && u.Scheme != "https" && !isLoopback(u.Hostname()):
		return badRequest("url_invalid", "url", "Invalid URL: In live mode, the URL must be HTTPS.")
	case len(ep.types) == 0:
		return badRequest("parameter_missing", "enabled_events", "Missing required param: enabled_events.")
	}
	for i, name := range ep.types {
		if name != "*" && !knownType(name) {
			return badRequest("", fmt.Sprintf("enabled_events[%d]", i), "Invalid enabled_events[%d]: must be one of * or a known type of event, not %s", i, name)
		}
	}
	if ep.version == "" {
		return nil
	}
	_, err := checkVersion(ep.version)
	return err
}

// addEndpoint answers with the secret, this one time.
func (s *Sim) addEndpoint(ep *endpoint) (*node, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, other := range s.endpoints {
		if other.mode == ep.mode {
			n++
		}
	}
	if n >= maxEndpoints {
		return nil, badRequest("", "", "You have reached the maximum of %d %s webhook endpoints.", maxEndpoints, ep.mode)
	}
	ep.id = string(s.world.long(nil, idEndpoint, "we_", s.nextKey))
	ep.created = s.clock.unix()
	ep.secrets = []secret{{text: s.newSecret()}}
	s.endpoints = append(s.endpoints, ep)
	return ep.node().with("secret", stringNode(ep.secrets[0].text)), nil
}

func (s *Sim) newSecret() string {
	r := s.world.rng(idSecret, s.nextKey)
	s.nextKey++
	return string(r.appendWord([]byte("whsec_"), 32))
}

func (s *Sim) findEndpoint(id string, mode Mode) int {
	return slices.IndexFunc(s.endpoints, func(ep *endpoint) bool { return ep.id == id && ep.mode == mode })
}

func (s *Sim) deleteEndpoint(id string, mode Mode) (*node, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.findEndpoint(id, mode)
	if i < 0 {
		return nil, missing(404, "webhook endpoint", id, "id")
	}
	gone := s.endpoints[i]
	s.endpoints = slices.Delete(s.endpoints, i, i+1)
	s.pending = slices.DeleteFunc(s.pending, func(d *delivery) bool { return d.to == gone })
	return fields("id", id, "object", "webhook_endpoint", "deleted", true), nil
}

func (s *Sim) listEndpoints(values url.Values, mode Mode) (*node, *apiError) {
	q, err := parseQuery(values)
	if err != nil {
		return nil, err
	}
	for name := range q.rest {
		return nil, unknownParameter(name)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []*node
	for _, ep := range slices.Backward(s.endpoints) {
		if ep.mode == mode {
			all = append(all, ep.node())
		}
	}
	from, to, err := q.cut("webhook_endpoint", all)
	if err != nil {
		return nil, err
	}
	more := q.before == "" && to < len(all) || q.before != "" && from > 0
	return fields("object", "list", "data", &node{kind: '[', items: all[from:to]}, "has_more", more, "url", "/v1/webhook_endpoints"), nil
}

func (ep *endpoint) node() *node {
	types := array()
	for _, name := range ep.types {
		types.items = append(types.items, stringNode(name))
	}
	orNull := func(v string) any {
		if v == "" {
			return nil
		}
		return v
	}
	return fields(
		"id", ep.id, "object", "webhook_endpoint", "api_version", orNull(ep.version), "application", nil, "created", ep.created,
		"description", orNull(ep.description), "enabled_events", types, "livemode", ep.mode == Live, "metadata", ep.metadata,
		"status", "enabled", "url", ep.url)
}

// AddEndpoint makes a webhook endpoint as POST /v1/webhook_endpoints does; no
// types are all types.
func (s *Sim) AddEndpoint(target string, types ...string) (id, secret string, err error) {
	if len(types) == 0 {
		types = []string{"*"}
	}
	n, refused := s.createEndpoint(url.Values{"url": {target}, "enabled_events[]": types}, s.cfg.Mode)
	if refused != nil {
		return "", "", refused
	}
	return n.at("id").value(), n.at("secret").value(), nil
}

// RollSecret gives an endpoint a new secret. For a day the old one signs as
// well.
func (s *Sim) RollSecret(id string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.endpoints, func(ep *endpoint) bool { return ep.id == id })
	if i < 0 {
		return "", fmt.Errorf("no webhook endpoint %s", id)
	}
	ep, now := s.endpoints[i], s.clock.unix()
	for k := range ep.secrets {
		if ep.secrets[k].until == 0 {
			ep.secrets[k].until = now + rollTime
		}
	}
	ep.secrets = slices.Insert(ep.secrets, 0, secret{text: s.newSecret()})
	return ep.secrets[0].text, nil
}
