package decision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/trial"
)

// Base is what the paths of the protocol begin with.
const Base = "/ofrep/v1"

// Name is what the service is called in metrics and traces.
const Name = "decisions"

const (
	onePath = Base + "/evaluate/flags/{key}"
	allPath = Base + "/evaluate/flags"
)

// Handler serves the protocol.
//
// A call has a key of the sandbox as "Authorization: Bearer tdk_…" or as
// "X-API-Key: tdk_…", and says whom it is about:
//
//	{"context": {"targetingKey": "cus_…", "customer": "cus_…", "cart": ["prod_…", "price_…"], "cartValue": 3400, "currency": "eur", "country": "DE"}}
//
// targetingKey is the unit: the customer's id, or the visitor's in an experiment
// whose unit stands in metadata. customer says whose audiences and purchases count
// where the unit is a visitor, and is the unit of experiments with customers where
// both are there. The rest is what offers' conditions are held against: cartValue is in
// minor units of currency (ISO 4217), country is of two letters (ISO 3166). All else in a
// context is passed over.
//
//	POST /ofrep/v1/evaluate/flags/{key}
//	200 {"key": "cart-offer", "value": {"show": true, "offer": {…}, "recommendations": […]}, "reason": "SPLIT", "variant": "gift-wrap",
//	     "metadata": {"experiment": "…", "phase": 1}}
//
// An answer without a value says that the client uses what its code has: because
// nothing runs (DISABLED), because the unit is in no experiment's hands (STATIC;
// metadata.because says why), or because the variant is a control without a value.
// Of a customer whose data was removed by a privacy request nothing is kept, so that he is in
// no experiment any more (STATIC, forgotten).
// Where the variant has an offer that isn't for this customer and cart, "offer" is null
// and metadata.withheld the condition: active, from, until, currency, minimumCart,
// contains, excludes, countries, audience, price where a price of it is not active
// any more, or items where all of it is in the cart already.
//
//	POST /ofrep/v1/evaluate/flags?expose=cart-offer,…
//	200 {"flags": [{…}, …]} with an ETag; 304 where If-None-Match has it
//
// All flags, for clients that evaluate once and keep the answer. Whoever is told a
// variant counts as exposed to it: what the client does with it then, nobody tells the
// server. So, by default, all running experiments expose the unit, and those that the client never
// looks at are diluted. The experiments that a key names are all that it is told of, and
// expose names those of them that will be used; the others are left out.
//
// Pages may ask with a key that names their origins (CORS). Such a key is public; so the
// addresses that it comes from have the rate of all others.
//
// Faults are in the words of the protocol: 400 and 404 with errorCode, 401, 403, 429
// with Retry-After, 500.
func (s *Service) Handler() http.Handler {
	// Not a ServeMux: it would send callers on to other paths.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, handle := allPath, s.all
		if r.URL.Path != allPath {
			text, ok := strings.CutPrefix(r.URL.EscapedPath(), allPath+"/")
			key, err := url.PathUnescape(text) // may have a slash, which no flag has
			if !ok || err != nil || key == "" || strings.Contains(text, "/") {
				write(w, http.StatusNotFound, failure{Details: "the protocol has no such path"})
				return
			}
			r.SetPathValue("key", key)
			route, handle = onePath, s.one
		}
		if r.Method == http.MethodOptions && r.Header.Get("Origin") != "" {
			s.preflight(w, r)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			write(w, http.StatusMethodNotAllowed, failure{Details: "this path knows POST"})
			return
		}
		s.serve(w, r, route, handle)
	})
}

// Knows says whether a call has a key that only servers have, and that is good.
func (s *Service) Knows(r *http.Request) bool {
	now := s.now.Load()
	if now == nil {
		return false
	}
	k := now.keys[trial.KeyHash(secretOf(r))]
	return k != nil && len(k.origins) == 0
}

func secretOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-Api-Key")
}

// A failure is how the protocol says what went wrong.
type failure struct {
	Key     string `json:"key,omitempty"`
	Code    string `json:"errorCode,omitempty"`
	Details string `json:"errorDetails"`
}

type handler func(w http.ResponseWriter, r *http.Request, k *key) error

// serve lets in who has a key, and says what went wrong.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, route string, handle handler) {
	o := gateway.Observation{Service: &gateway.Service{Name: Name}, Route: &gateway.Route{Path: route}, HTTP: r}
	err := func() error {
		now, err := s.current(r.Context())
		if err != nil {
			return err
		}
		k := now.keys[trial.KeyHash(secretOf(r))]
		if err := now.admit(w.Header(), r, k); err != nil {
			return err
		}
		if k == nil {
			return &fault{status: http.StatusUnauthorized, details: "a key for decisions is needed: Authorization: Bearer tdk_…, and this is none"}
		}
		o.Caller = k.caller
		if s.Take != nil {
			if wait, ok := s.Take(k.id); !ok {
				w.Header().Set("Retry-After", strconv.Itoa(int(max(1, math.Ceil(wait.Seconds())))))
				return &fault{status: http.StatusTooManyRequests, details: "this key is used too often"}
			}
		}
		k.sandbox.asked.Store(true)
		if s.Allowed != nil {
			if err := s.Allowed(r, &k.caller); err != nil {
				return err
			}
		}
		k.used.Store(s.Now().Truncate(time.Hour).Unix())
		return handle(w, r, k)
	}()
	if s.Observe != nil {
		s.Observe(r.Context(), o)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

// one decides on one flag.
func (s *Service) one(w http.ResponseWriter, r *http.Request, k *key) error {
	in, err := readInput(w, r)
	if err != nil {
		return err
	}
	sb := k.sandbox
	f := sb.flags[r.PathValue("key")]
	if f == nil || !k.has(f.Key) {
		return &fault{http.StatusNotFound, "FLAG_NOT_FOUND", "there is no experiment with this key"}
	}
	d, err := s.decide(r.Context(), sb, f, in)
	if err != nil {
		return in.hidden(err)
	}
	if err := s.keep(r.Context(), sb, []decision{d}); err != nil {
		return err
	}
	write(w, http.StatusOK, d)
	return nil
}

// all decides on all flags of the key, or on those that will be used.
func (s *Service) all(w http.ResponseWriter, r *http.Request, k *key) error {
	in, err := readInput(w, r)
	if err != nil {
		return err
	}
	var some []string
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // else what can't be read of expose would expose all
		return bad("PARSE_ERROR", "the query can't be read; names of flags are divided by commas")
	}
	for _, text := range query["expose"] {
		some = append(some, strings.SplitN(text, ",", maxSome+1)...)
		if len(some) > maxSome {
			return bad("INVALID_CONTEXT", "expose: it names 100 flags at most")
		}
	}
	sb := k.sandbox
	var decided []decision
	flags := []any{}
	for _, f := range sb.ordered {
		if !k.has(f.Key) || query.Has("expose") && !slices.Contains(some, f.Key) {
			continue
		}
		d, err := s.decide(r.Context(), sb, f, in)
		if err != nil {
			s.complain(r.Context(), in.hidden(err))
			flags = append(flags, failure{f.Key, "GENERAL", internal})
			continue
		}
		decided, flags = append(decided, d), append(flags, d)
	}
	if err := s.keep(r.Context(), sb, decided); err != nil {
		return err
	}
	body, err := marshal(map[string]any{"flags": flags})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("ETag", tag)
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	send(w, http.StatusOK, body)
	return nil
}

// matches says whether a header If-None-Match has a tag.
func matches(header []string, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(header, ","), ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
			return true
		}
	}
	return false
}

const internal = "something went wrong here; the log has it"

var errNothing = errors.New("an experiment names what this server doesn't have")

// fail says what went wrong.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if refused, ok := errors.AsType[*gateway.Failure](err); ok {
		write(w, refused.Status, failure{Details: http.StatusText(refused.Status)}) // the address is the caller's, and nobody else's to see
		return
	}
	f, ok := errors.AsType[*fault](err)
	if !ok {
		s.complain(r.Context(), err)
		f = &fault{http.StatusInternalServerError, "", internal}
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	said := failure{Code: f.code, Details: f.details}
	if f.code != "" {
		said.Key = r.PathValue("key")
	}
	write(w, f.status, said)
}

// complain logs a failure of ours, one in a second.
func (s *Service) complain(ctx context.Context, err error) {
	if now := s.Now().Unix(); ctx.Err() == nil && s.complained.Swap(now) != now {
		s.Log.ErrorContext(ctx, "a decision failed", "error", err)
	}
}

func write(w http.ResponseWriter, status int, v any) {
	body, err := marshal(v)
	if err != nil { // none of what is written here can't be
		status, body = http.StatusInternalServerError, nil
	}
	send(w, status, body)
}

func send(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the caller has gone; there is nobody to tell
}
