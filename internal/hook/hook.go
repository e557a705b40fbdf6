// Package hook receives the events that Stripe sends to a webhook endpoint: it
// checks who sent them, keeps them durably, answers, and says that there is
// something to capture. What an event shows is never the data itself: the
// objects that it names are read from Stripe.
package hook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Path is where a Handler is mounted.
const Path = "/webhooks/stripe"

// MaxBody is the largest event that is taken, in bytes. Stripe documents no
// bound; an event holds one object of some kilobytes.
const MaxBody = 1 << 20

// usual is how many bytes an event has, or less. atOnce larger ones are read at the
// same time, and more are asked to come again: it bounds the memory that strangers can
// make us use. They don't keep the usual ones out, however slowly they send.
const (
	usual  = 64 << 10
	atOnce = 32
)

// An Owner is whose events are taken.
type Owner struct {
	Account  string // acct_…, "" when it is not known
	Livemode bool
}

// A Handler answers Stripe's webhooks. Its fields must be set.
type Handler struct {
	// Secrets are those of the connection's endpoints. Several are in use
	// while one is being replaced.
	Secrets func() ([]stripe.Secret, error)
	// Now is Stripe's time.
	Now func() time.Time
	// Owner returns whose copy this is; an error says that it is not known yet.
	Owner func(ctx context.Context) (Owner, error)
	// Put keeps the notice durably, unless it is there or was taken in already,
	// and reports whether it is new.
	Put func(ctx context.Context, n extract.Notice) (fresh bool, err error)
	// Wake says that something was put. It must not block.
	Wake func()
	Log  *slog.Logger

	once    sync.Once
	slots   chan struct{}
	refused refusals
}

// ServeHTTP answers 200 for what is kept, known, or none of ours, 400 for what
// is not Stripe's, and 503 when it can't be kept, so that Stripe sends it again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(func() { h.slots = make(chan struct{}, atOnce) })
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Only POST is answered here.", http.StatusMethodNotAllowed)
		return
	}
	header := r.Header.Get(stripe.SignatureHeader)
	if header == "" { // the body of a stranger is not worth reading
		h.refuse(w, r, stripe.SignatureMissing)
		return
	}
	whole := http.MaxBytesReader(w, r.Body, MaxBody)
	body, err := io.ReadAll(io.LimitReader(whole, usual))
	if err == nil && len(body) == usual {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		default:
			w.Header().Set("Retry-After", "30")
			h.say(w, r, http.StatusServiceUnavailable, again, errCrowd)
			return
		}
		var rest []byte
		rest, err = io.ReadAll(whole)
		body = append(body, rest...)
	}
	if err != nil {
		h.refuse(w, r, errBody)
		return
	}
	secrets, err := h.Secrets()
	if err != nil {
		h.later(w, r, err)
		return
	}
	if err := stripe.VerifySignature(body, header, secrets, h.Now(), stripe.SignatureTolerance); err != nil {
		h.refuse(w, r, err)
		return
	}
	h.take(w, r, body)
}

// errCrowd is said of one large body too many.
var errCrowd = errors.New("too many large bodies at once")

// errBody is all that is said of a body that can't be read.
var errBody = errors.New("a body that is too large or not whole")

// errEvent is said of what a secret signed and is nothing that Stripe sends.
var errEvent = errors.New("a body that is not an event")

// take judges what surely comes from Stripe.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, body []byte) {
	ctx := r.Context()
	var form struct{ ID, Object string }
	if err := json.Unmarshal(body, &form); err != nil || form.Object == "" {
		h.refuse(w, r, errEvent)
		return
	}
	if form.Object != "event" { // a thin event, which holds no object
		h.pass(w, r, "not an event with its object", slog.String("object", short(form.Object)))
		return
	}
	n, err := extract.ParseNotice(body)
	if err != nil {
		h.refuse(w, r, errEvent)
		return
	}
	attrs := []slog.Attr{slog.String("event", short(n.ID)), slog.String("type", short(n.Type))}
	owner, err := h.Owner(ctx)
	switch {
	case err != nil:
		h.later(w, r, err, attrs...)
		return
	case n.Livemode != owner.Livemode:
		h.pass(w, r, "of the other mode", attrs...)
		return
	case n.Account != "" && n.Account != owner.Account:
		h.pass(w, r, "of another account", attrs...)
		return
	case len(n.Refs) == 0:
		h.pass(w, r, "about nothing that is copied", attrs...)
		return
	}
	fresh, err := h.Put(ctx, n)
	if err != nil {
		h.later(w, r, err, attrs...)
		return
	}
	w.WriteHeader(http.StatusOK)
	h.Log.LogAttrs(ctx, slog.LevelInfo, "webhook", append(attrs, slog.Bool("known", !fresh))...)
	if fresh {
		h.Wake()
	}
}

// pass answers that an event has arrived which is none of this copy's. Stripe
// would send it again for anything else, and switch off an endpoint that many
// accounts, or both modes, send to.
func (h *Handler) pass(w http.ResponseWriter, r *http.Request, why string, attrs ...slog.Attr) {
	w.WriteHeader(http.StatusOK)
	h.Log.LogAttrs(r.Context(), slog.LevelInfo, "webhook passed over", append(attrs, slog.String("because", why))...)
}

const again = "The event can't be kept now; send it again."

// later answers that the event shall be sent again.
func (h *Handler) later(w http.ResponseWriter, r *http.Request, err error, attrs ...slog.Attr) {
	w.Header().Set("Retry-After", "30")
	http.Error(w, again, http.StatusServiceUnavailable)
	h.Log.LogAttrs(r.Context(), slog.LevelError, "webhook not kept", append(attrs, slog.String("error", stripe.Redact(err.Error())))...)
}

// refuse answers what Stripe did not send, or sent long ago. What exactly is
// wrong is for the log: a stranger learns nothing.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, why error) {
	h.say(w, r, http.StatusBadRequest, "This is not a signed event of Stripe.", why)
}

// say answers what anybody may send, and as much as they like: the log has a line
// for many.
func (h *Handler) say(w http.ResponseWriter, r *http.Request, status int, text string, why error) {
	http.Error(w, text, status)
	if n, say := h.refused.count(h.Now()); say {
		h.Log.LogAttrs(r.Context(), slog.LevelWarn, "webhook refused", slog.String("because", why.Error()),
			slog.String("from", r.RemoteAddr), slog.Int("refused", n))
	}
}

// refusals counts, so that a flood of forgeries does not flood the log.
type refusals struct {
	mu   sync.Mutex
	n    int
	last time.Time
}

// quiet is how long a refusal silences those that follow.
const quiet = 10 * time.Second

// count returns how many refusals there were since the last that was said,
// this one included, and whether to say so.
func (c *refusals) count(now time.Time) (n int, say bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if !c.last.IsZero() && now.Sub(c.last).Abs() < quiet {
		return c.n, false
	}
	n, c.n, c.last = c.n, 0, now
	return n, true
}

// short bounds what others chose for a log.
func short(text string) string { return stripe.Redact(text[:min(len(text), 100)]) }
