package stripe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// A Client reads one account with one key. It is safe for concurrent use and
// must not be copied.
type Client struct {
	BaseURL string // "" means DefaultURL
	Key     Key
	Account string           // acct_… of a connected account, or ""
	HTTP    *http.Client     // nil means one of its own; its redirect policy is not used
	Pacer   *Pacer           // nil for no pacing
	Log     *slog.Logger     // nil for none
	Now     func() time.Time // required
	OnCall  func(Call)       // is told every attempt, from many goroutines; may be nil
	// Admit is asked before each request goes out, from many goroutines; may be
	// nil. Its error ends the read, which returns it as it is and does not try
	// again. What it admits can reach Stripe, also when no Call follows.
	Admit func(endpoint string) error
	// OnRetry is told why a request is tried again, from many goroutines; may be
	// nil.
	OnRetry func(*Error)
	Retry   Retry

	Timeout       time.Duration // of one attempt; 0 means 80 s
	HeaderTimeout time.Duration // until the answer begins; 0 means 60 s
	Stall         time.Duration // without a byte of the body; 0 means 20 s
	MaxBody       int64         // bytes, unpacked; 0 means 64 MiB

	once   sync.Once
	http   *http.Client
	base   string
	host   string
	bad    error       // of BaseURL or Account
	met    atomic.Bool // Stripe answered once, or what stands before it
	clock  clock
	bodies bodies
	sizes  sizes
}

// A Call is one attempt of a request, as Stripe counts them.
type Call struct {
	Endpoint  string
	Status    int // 0 when there was no answer
	Duration  time.Duration
	Bytes     int    // of the body, unpacked
	Reason    string // Stripe-Rate-Limited-Reason, or Unstated
	RequestID string
}

// Offset returns how far Stripe's clock is ahead of the host's, to a second or two.
func (c *Client) Offset() time.Duration { return c.clock.ahead() }

// KnowsTime reports whether an answer told Stripe's time.
func (c *Client) KnowsTime() bool { return c.clock.isSet() }

// StripeNow returns the time by Stripe's clock, UTC, once an answer was seen,
// and by the host's before that.
func (c *Client) StripeNow() time.Time { return c.clock.at(c.Now()) }

// Get reads path, which is escaped, and returns a complete JSON document
// rendered at Version, trying again where that may help. endpoint is the name
// under which Stripe counts the call: the path with {id} for ids. Its errors
// are an *Error, ctx's, or a problem.Error about the client's own fields.
func (c *Client) Get(ctx context.Context, endpoint, path string, query url.Values, priority float64) (*Response, error) {
	return c.get(ctx, &request{endpoint: endpoint, path: path, query: query, priority: priority})
}

// Retrieve reads one object, with the expansions of r's lists. A deleted
// customer is a stub with deleted: true; whatever else is gone is a NotFound
// error.
func (c *Client) Retrieve(ctx context.Context, r Resource, id string) (*Response, error) {
	endpoint := r.Path + "/{id}"
	if id == "" || id == "." || id == ".." {
		return nil, &Error{Kind: problem.Invalid, Detail: strconv.Quote(id) + " is not an object id", Endpoint: endpoint}
	}
	query := url.Values{}
	if len(r.Expand) > 0 {
		query["expand[]"] = r.Expand
	}
	return c.get(ctx, &request{endpoint: endpoint, path: r.Path + "/" + url.PathEscape(id), query: query, priority: urgent, id: id})
}

// urgent is the priority of what completes work in hand.
const urgent = 1e18

// A request is one read with all its tries.
type request struct {
	endpoint string
	path     string
	query    url.Values
	priority float64
	id       string // of the object that is asked for by id; "" for anything else
	paged    bool   // a list, read in pages of at most most objects
	most     int
	method   string     // "" for GET
	form     url.Values // body of a POST
	once     string     // Idempotency-Key of a POST: it may be sent again

	limit int // the page size of the last try
	heavy int // failures at this size
}

func (c *Client) get(ctx context.Context, r *request) (*Response, error) {
	c.once.Do(c.setup)
	if c.bad != nil {
		return nil, c.bad
	}
	began := c.Now()
	for try := 1; ; try++ {
		resp, fail := c.attempt(ctx, r)
		if fail == nil {
			return resp, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if fail.barred {
			return nil, fail.err
		}
		fail.Tries, fail.Method = try, cmp.Or(r.method, http.MethodGet)
		wait, ok := c.Retry.next(fail, try, c.Now().Sub(began))
		if !ok || !c.shrink(r, fail) {
			return nil, fail
		}
		if c.Log != nil {
			c.Log.DebugContext(ctx, "stripe read is tried again", "endpoint", r.endpoint, "try", try,
				"status", fail.Status, "reason", fail.Reason, "request_id", fail.RequestID, "wait", wait, "error", fail)
		}
		if c.OnRetry != nil {
			c.OnRetry(fail)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (c *Client) setup() {
	h := http.Client{Transport: NewTransport()}
	if c.HTTP != nil {
		h = *c.HTTP
	}
	h.CheckRedirect = sameHost
	c.http = &h
	c.base = cmp.Or(strings.TrimRight(c.BaseURL, "/"), DefaultURL)
	c.host, c.bad = hostOf(c.base)
	if c.bad == nil && accountID.FindString(c.Account) != c.Account {
		c.bad = &problem.Error{Kind: problem.Invalid, Detail: "the Stripe account is not an account id", Advice: "It should look like acct_1A2b3C."}
	}
}

// attempt sends the request once. Its error means nothing when ctx has ended.
func (c *Client) attempt(ctx context.Context, r *request) (*Response, *Error) {
	release := func(string) {}
	if c.Pacer != nil {
		var err error
		if release, err = c.Pacer.Acquire(ctx, r.endpoint, r.priority); err != nil {
			return nil, &Error{Kind: problem.Unavailable, Detail: "canceled", Endpoint: r.endpoint, err: err}
		}
	}
	if err := c.admit(r.endpoint); err != nil {
		release("")
		return nil, &Error{Kind: problem.KindOf(err), Endpoint: r.endpoint, err: err, barred: true}
	}
	buf := c.bodies.get()
	sent := c.Now()
	status, header, err := c.send(ctx, r, buf)
	got := c.Now()

	var fail *Error
	var bar barrier
	switch {
	case errors.As(err, &bar):
		fail = &Error{Kind: problem.KindOf(bar.err), Endpoint: r.endpoint, err: bar.err, barred: true}
	case err == nil && status == http.StatusOK:
		fail = c.check(r, header, buf)
	case status == 0, err != nil && status < 500 && status != http.StatusTooManyRequests:
		fail = unanswered(c.Key, r.endpoint, c.host, err, c.met.Load())
		fail.Status = status
	default:
		fail = refused(c.Key, r.endpoint, status, header, buf.bytes, got)
	}
	call := Call{Endpoint: r.endpoint, Status: status, Duration: got.Sub(sent), Bytes: len(buf.bytes)}
	if status != 0 {
		call.RequestID = requestID(c.Key, header)
		if fail == nil || call.RequestID != "" || status >= http.StatusBadRequest {
			c.met.Store(true)
		}
		if status == http.StatusOK || call.RequestID != "" {
			c.clock.learn(header, sent, got)
		}
	}
	if status == http.StatusTooManyRequests && fail.Code != "lock_timeout" {
		call.Reason = cmp.Or(fail.Reason, Unstated)
	}
	if fail != nil && !c.met.Load() {
		fail.doubt()
	}
	release(call.Reason)
	if c.OnCall != nil {
		c.OnCall(call)
	}
	if fail != nil {
		c.bodies.put(buf)
		return nil, fail
	}
	if r.paged {
		c.sizes.worked(r.endpoint)
	}
	return &Response{
		Body: buf.bytes, Status: status, RequestID: call.RequestID, Version: header.Get("Stripe-Version"),
		Start: c.clock.at(sent), Took: call.Duration, buf: buf, pool: &c.bodies,
	}, nil
}

// send fills buf with the body. The status is 0 if no answer began; the error
// says why the answer is not complete.
func (c *Client) send(ctx context.Context, r *request, buf *buffer) (int, http.Header, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	whole := time.AfterFunc(cmp.Or(c.Timeout, 80*time.Second), func() { cancel(errTimeout) })
	defer whole.Stop()
	begin := time.AfterFunc(cmp.Or(c.HeaderTimeout, time.Minute), func() { cancel(errSilent) })
	defer begin.Stop()

	req, err := c.newRequest(c.counted(ctx, r.endpoint, cancel), r)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	resp, err := c.http.Do(req)
	begin.Stop()
	if err != nil {
		return 0, nil, because(ctx, err)
	}
	defer resp.Body.Close()
	stall := cmp.Or(c.Stall, 20*time.Second)
	timer := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer timer.Stop()
	err = c.bodies.read(buf, resp, &watched{from: resp.Body, timer: timer, limit: stall}, cmp.Or(c.MaxBody, 64<<20))
	return resp.StatusCode, resp.Header, because(ctx, err)
}

// because returns why ctx was canceled if that is what err is about.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}

func (c *Client) newRequest(ctx context.Context, r *request) (*http.Request, error) {
	query := r.query
	if r.paged {
		r.limit = c.sizes.limit(r.endpoint, r.most)
		query = url.Values{"limit": {strconv.Itoa(r.limit)}}
		for k, v := range r.query {
			if k != "limit" {
				query[k] = v
			}
		}
	}
	target := c.base + r.path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body io.Reader
	if r.form != nil {
		body = strings.NewReader(r.form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), target, body)
	if err != nil {
		return nil, err
	}
	h := req.Header
	if r.form != nil {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		h.Set("Idempotency-Key", r.once)
	}
	h.Set("Authorization", "Bearer "+c.Key.value())
	h.Set("Stripe-Version", Version)
	h.Set("Accept", "application/json")
	h.Set("Accept-Encoding", "gzip")
	h.Set("User-Agent", "tributary (+https://github.com/tributary-data/tributary)")
	if c.Account != "" && strings.HasPrefix(c.Key.value(), "sk_org_") {
		h.Set("Stripe-Context", c.Account) // organisation keys know no other way to name an account
	} else if c.Account != "" {
		h.Set("Stripe-Account", c.Account)
	}
	return req, nil
}

// check judges an answer with status 200: it must be of the pinned version,
// complete, and what was asked for.
func (c *Client) check(r *request, h http.Header, buf *buffer) *Error {
	id := requestID(c.Key, h)
	if v := token(c.Key.Redact(h.Get("Stripe-Version"))); h.Get("Stripe-Version") != "" && v != Version {
		return &Error{
			Kind: problem.Invalid, Endpoint: r.endpoint, Status: http.StatusOK, RequestID: id, global: true,
			Detail: "Stripe answered in version " + strconv.Quote(v) + " and not in " + Version,
			Advice: "Check what stands between here and Stripe.",
		}
	}
	var err error
	switch body := bytes.TrimSpace(buf.bytes); {
	case r.paged:
		err = rawjson.ParseList(buf.bytes, &buf.list)
	case len(body) == 0 || body[0] != '{' || !json.Valid(body):
		err = errNotJSON
	case r.id != "":
		var it rawjson.Item
		if it, _, err = rawjson.One(body, 0); err == nil && string(it.ID) != r.id {
			err = errOther
		}
	}
	if err == nil {
		return nil
	}
	return &Error{
		Kind: problem.Unavailable, Endpoint: r.endpoint, Status: http.StatusOK, RequestID: id,
		Detail: "Stripe's answer can't be used: " + message(c.Key, err.Error()), err: err, retry: again,
		Advice: "Run again later; what was read is kept.",
	}
}
