package flow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Stripe is the source, as connections ask it.
type Stripe interface {
	// Verify asks whether the credentials are good: whose account they open, and
	// what it is that they may not read. A *stripe.Error, or another error when
	// Stripe can't be reached.
	Verify(ctx context.Context, c Credentials) (Verified, error)
	// Sample returns the first objects of a resource, at most n, newest first.
	Sample(ctx context.Context, c Credentials, resource string, n int) ([]json.RawMessage, error)
}

// A Verified is what is known of credentials.
type Verified struct {
	Account Account
	// Refused are the resources that can't be read, by name, each with what
	// Stripe said about it, in words; the events under their name, too.
	Refused map[string]string
	Name    string // of the account; empty where the credentials may not see it
	Rights  []Right
}

// A Right is one that a restricted key needs, and whether the credentials have it.
type Right struct {
	For  string // a resource, or stripe.Events
	Need stripe.Permission
	// Refused is what Stripe said, "" where it may be read. Missing are the
	// permissions that it named.
	Refused string
	Missing []stripe.Permission
}

const (
	patience   = 30 * time.Second // of one who waits for Stripe
	sampleSize = 100
)

func (s *Service) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	wait := s.Wait
	if wait <= 0 {
		wait = patience
	}
	return context.WithTimeout(ctx, wait)
}

func (s *Service) verify(ctx context.Context, cred Credentials) (Verified, error) {
	ctx, cancel := s.asking(ctx)
	defer cancel()
	return s.Stripe.Verify(ctx, cred)
}

// resourceNames are the resources of the source.
func resourceNames() []string {
	var names []string
	for _, r := range stripe.Resources {
		names = append(names, r.Name)
	}
	return names
}

// resource reads the parameter resourcePath, which may be written as Stripe's
// path; CONNECTOR-1304-400 where it is missing, CONNECTOR-1312-400 for one that
// there is not.
func resource(value json.RawMessage) (string, error) {
	if blank(value) {
		return "", mandatory("resourcePath")
	}
	var path string
	if err := json.Unmarshal(value, &path); err != nil {
		return "", invalid("CONNECTOR-1312-400", "resourcePath", "The value of \"resourcePath\" is not valid: a text is expected")
	}
	name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(path), "/"), "v1/")
	if !slices.Contains(resourceNames(), name) {
		return "", invalid("CONNECTOR-1312-400", "resourcePath", "The value of \"resourcePath\" is not valid: %q is none of %s", path, strings.Join(resourceNames(), ", "))
	}
	return name, nil
}

// An Object is one thing that a connection's source has.
type Object struct {
	Type      string `json:"type"`
	Name      string `json:"name"`
	Path      string `json:"path"`
	Preview   bool   `json:"canPreview"`
	HasSchema bool   `json:"canFetchSchema"`
}

// objects are those of Stripe.
func objects() []Object {
	var all []Object
	for _, name := range resourceNames() {
		all = append(all, Object{Type: "rest", Name: name, Path: name, Preview: true, HasSchema: true})
	}
	return all
}

// An Explored is what a resource of a connection's source looks like.
type Explored struct {
	Format string `json:"format"`
	Schema *node  `json:"schema"`
	// Rows, if they were asked for, are objects in the wrapper in which mappings
	// find them.
	Rows *[]wrapped `json:"data,omitempty"`
}

type wrapped struct {
	Data json.RawMessage `json:"data"`
}

// Explore asks a connection's source for the structure of a resource, and for
// its newest objects if they are wanted. An account without any is described by
// the product's own schema.
func (s *Service) Explore(ctx context.Context, c access.Caller, id, resource string, preview bool) (Explored, error) {
	v, err := s.Connection(ctx, c, id)
	if err != nil {
		return Explored{}, err
	}
	cred, err := s.Credentials(v)
	if err != nil {
		return Explored{}, err
	}
	limited, cancel := s.asking(ctx)
	defer cancel()
	rows, err := s.Stripe.Sample(limited, cred, resource, sampleSize)
	if err != nil {
		if ctx.Err() != nil {
			return Explored{}, ctx.Err()
		}
		return Explored{}, askFailure(err)
	}
	object := newNode()
	for _, r := range rows {
		if err := object.add(r); err != nil {
			return Explored{}, fail("FLOW-1103-503", "Service unavailable", "The source sent something that is no JSON")
		}
	}
	if len(rows) == 0 {
		built, err := xdm.Stripe(resource, c.Tenant)
		if err != nil {
			return Explored{}, err
		}
		object = nodeOf(&xdm.Field{Kind: xdm.Object, Fields: built.Fields})
	}
	e := Explored{Format: "hierarchical", Schema: nested("data", object)}
	if preview {
		data := make([]wrapped, len(rows))
		for i, r := range rows {
			data[i].Data = r
		}
		e.Rows = &data
	}
	return e, nil
}

// explore is the call. Names of parameters are taken in any case.
func (s *Service) explore(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	given := map[string]string{}
	for name, values := range call.HTTP.URL.Query() {
		given[strings.ToLower(name)] = values[0]
	}
	switch kind := strings.ToLower(given["objecttype"]); kind {
	case "":
		return nil, invalid("CONNECTOR-1359-400", "objectType", "The parameter objectType is missing: rest or ROOT is expected")
	case "root":
		if _, err := s.Connection(ctx, call.Caller, call.Var("id")); err != nil {
			return nil, err
		}
		return gateway.OK(objects()), nil
	case "rest":
	case "table", "file", "folder":
		return nil, invalid("CONNECTOR-1358-400", "objectType", "The object type %s is not valid for this source: rest or ROOT is expected", given["objecttype"])
	default:
		return nil, invalid("CONNECTOR-1358-400", "objectType", "The object type %q is not valid: rest or ROOT is expected", given["objecttype"])
	}
	if f := given["filetype"]; f != "" && !strings.EqualFold(f, "json") {
		return nil, invalid("CONNECTOR-1327-400", "fileType", "The source format %q is not supported: json is expected", f)
	}
	preview := false
	switch p := strings.ToLower(given["preview"]); p {
	case "", "false":
	case "true":
		preview = true
	default:
		return nil, invalid("FLOW-1451-400", "preview", "preview=%s: true or false is expected", given["preview"])
	}
	name, err := sourceParams(given["sourceparams"])
	if err != nil {
		return nil, err
	}
	e, err := s.Explore(ctx, call.Caller, call.Var("id"), name, preview)
	if err != nil {
		return nil, err
	}
	return gateway.OK(e), nil
}

// sourceParams reads the parameter of that name, Base64 of a JSON object in any
// of its spellings, and returns the resource that it names.
func sourceParams(text string) (string, error) {
	text = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(strings.TrimRight(text, "= \r\n"))
	if text == "" {
		return "", mandatory("resourcePath")
	}
	decoded, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", invalid("CONNECTOR-1389-400", "sourceParams", "sourceParams can't be decoded: Base64 of a JSON object is expected, such as that of {\"resourcePath\":\"charges\"}")
	}
	var params map[string]json.RawMessage
	if err := json.Unmarshal(decoded, &params); err != nil || params == nil {
		return "", invalid("CONNECTOR-1389-400", "sourceParams", "sourceParams is not the Base64 of a JSON object such as {\"resourcePath\":\"charges\"}")
	}
	return resource(params["resourcePath"])
}
