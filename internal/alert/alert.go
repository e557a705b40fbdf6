// Package alert tells people and programs what happens to dataflows: in the
// application, by e-mail, by signed webhooks. What happens again and again is
// told once, and what was put down to be told is told whatever happens to the
// process meanwhile.
package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

// A Kind says what an event is about.
type Kind string

// The kinds that can be subscribed to, and told.
const (
	RunStart   Kind = "run-start"
	RunSuccess Kind = "run-success"
	RunNoData  Kind = "run-no-data" // a success that brought no data; who subscribes to RunSuccess gets it, too
	RunFailure Kind = "run-failure"
	RunDelay   Kind = "run-delay"
	ReadBudget Kind = "read-budget"
	Drift      Kind = "drift"
)

// The kinds that come of others.
const (
	Recovered     Kind = "run-recovered" // the first success after failures; goes with RunFailure
	Undeliverable Kind = "delivery-failure"
	Test          Kind = "test"
	Digest        Kind = "digest"
)

// Kinds are those that can be subscribed to, and told.
var Kinds = []Kind{RunStart, RunSuccess, RunNoData, RunFailure, RunDelay, ReadBudget, Drift}

// usual are the kinds of a subscription that names none, and of what is always
// noticed in the application: those that want somebody's attention.
var usual = []Kind{RunFailure, RunDelay, ReadBudget, Drift}

// An Event is something to be told.
type Event struct {
	Kind     Kind
	Flow     string // id; empty for what is of no flow
	FlowName string
	Run      string // id; an event of a run is told once, however often it is put down
	Resource string // charges, …; may be empty
	Title    string // one line; empty for the usual one of the kind
	Text     string // a few lines for a reader; may be empty
	// Body is what a webhook brings: of a run the run object. May be nil.
	Body json.RawMessage
	// Key names the state that a failure, a delay, a crossing of the budget or a
	// drift is. It is told when the state begins; while it lasts, more of it is
	// only counted. Failures end with the flow's next success, delays with
	// its next run, the others with Over, and all of them after 35 days in which
	// they were not told.
	Key string
	// Over ends the state Key, if there is one. Nothing is told of it.
	Over bool
	At   time.Time // when it happened; zero for now
}

// Bounds of an event; what is longer is cut, and a longer Body left out.
const (
	maxTitle = 200  // characters
	maxText  = 4000 // characters
	maxName  = 200  // bytes of an id, a key, a resource
	maxBody  = 256 << 10
)

// A Mailer sends mail.
type Mailer interface {
	// Send sends one mail. An error of kind problem.Invalid says that this mail
	// can't ever be sent to this address, any other that it may be tried again.
	Send(ctx context.Context, m Mail) error
}

// A Service keeps subscriptions, notices, and what is still to be delivered.
// Several processes may Run on one database.
type Service struct {
	DB     *docstore.DB
	Keys   *secret.Keys
	Mail   Mailer       // nil where no mail can be sent
	Client *http.Client // for webhooks: connects to what the operator named; nil where there is nothing
	// Allowed says whether webhooks may go to a URL, before one is tried; nil
	// for all that Client connects to.
	Allowed func(*url.URL) error
	Now     func() time.Time
	Log     *slog.Logger
	Poll    time.Duration // how often to look what other processes put down; 0 for five seconds
	// MaxWaiting is how many alerts may wait for one subscription, MaxNotices how many
	// a sandbox has to show; 0 for 1,000 and 10,000.
	MaxWaiting, MaxNotices int

	mu     sync.Mutex
	wakeup chan struct{}
}

// Kinds of documents. Queues stand in the installation's scope, by when they are
// due, so that one look finds what is to be done in all sandboxes.
const (
	kindSubscription = "alertSubscription"
	kindNotice       = "alertNotice"   // parent: flow
	kindState        = "alertState"    // by flow
	kindDelivery     = "alertDelivery" // parent: subscription
	kindGathered     = "alertGathered" // what waits for a digest; parent: subscription
	kindHealth       = "alertHealth"   // by subscription
	kindQueue        = "alertQueue"    // by subscription
	kindPlace        = "alertPlace"    // sandboxes that have notices
)

// A place is a sandbox.
type place struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"` // id
	Name    string `json:"sandboxName"`
}

func placeOf(c access.Caller) place { return place{c.Org, c.Sandbox.ID, c.Sandbox.Name} }

func (p place) scope() docstore.Scope { return docstore.Scope{Org: p.Org, Sandbox: p.Sandbox} }

// Tell puts an event down, to be told to those who subscribed to it: all of it
// or nothing.
func (s *Service) Tell(ctx context.Context, c access.Caller, e Event) error {
	if err := s.DB.Do(ctx, func(t *docstore.Tx) error { return s.TellIn(t, c, e) }); err != nil {
		return fmt.Errorf("tell of %s: %w", e.Kind, err)
	}
	s.wake()
	return nil
}

// TellIn is Tell in a transaction that does something else as well.
func (s *Service) TellIn(t *docstore.Tx, c access.Caller, e Event) error {
	if err := e.check(s.Now()); err != nil {
		return err
	}
	p := placeOf(c)
	id := uuid.NewString()
	if e.Run != "" {
		id = named(p.Org, p.Sandbox, string(e.Kind), e.Flow, e.Run)
	}
	st, err := readState(t, p, e.Flow)
	if err != nil {
		return err
	}
	if st.told(e) {
		return nil
	}
	happened := st.apply(e)
	if happened.nothing {
		return st.save(t, p)
	}
	m := newMessage(id, e)
	m.Count = happened.count
	if happened.recovered != nil {
		m.Text = strings.TrimSpace(m.Text + "\n\n" + happened.recovered.sentence())
	}
	subscriptions, err := readSubscriptions(t, p)
	if err != nil {
		return err
	}
	put := false
	for _, sub := range subscriptions {
		out, ok := sub.pick(m, happened)
		if !ok || sub.Channel == App {
			continue
		}
		put = true
		if err := s.enqueue(t, p, sub, out, e.Key); err != nil {
			return err
		}
	}
	noticed, err := s.notice(t, p, m, happened, subscriptions)
	if err != nil {
		return err
	}
	if noticed != "" && happened.open != nil {
		happened.open.Notice = noticed
	}
	if put || noticed != "" {
		st.remember(e)
	}
	return st.save(t, p)
}

// check says what is wrong with an event, and makes the rest of it fit to be
// shown: one line is one line, whatever a flow is called.
func (e *Event) check(now time.Time) error {
	if !slices.Contains(Kinds, e.Kind) {
		return problem.Errorf(problem.Internal, "there is no event of the kind %q", e.Kind)
	}
	for what, text := range map[string]string{"flow": e.Flow, "run": e.Run, "key": e.Key, "resource": e.Resource} {
		if len(text) > maxName || !docstore.Storable(text) {
			return problem.Errorf(problem.Internal, "an event's %s is longer than %d bytes, or no text", what, maxName)
		}
	}
	if len(e.Body) > 0 && !json.Valid(e.Body) {
		return problem.Errorf(problem.Internal, "the body of an event is not JSON")
	}
	if len(e.Body) > maxBody {
		e.Body = nil
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.FlowName, e.Title, e.Text = line(e.FlowName, maxTitle), line(e.Title, maxTitle), paragraphs(e.Text, maxText)
	return nil
}

// line makes one line of a text: what controls, parts or hides becomes a space.
func line(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "\ufffd"))
	return cut(strings.Join(strings.Fields(text), " "), most)
}

// paragraphs keeps the lines of a text and takes what else controls.
func paragraphs(text string, most int) string {
	var lines []string
	for l := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		lines = append(lines, line(l, most))
	}
	return cut(strings.TrimSpace(strings.Join(lines, "\n")), most)
}

func cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// space of the ids that are made of names.
var space = uuid.MustParse("5f1c2bd4-52f0-4d0b-9d6c-0a9f7f6c8b11")

// named returns the id that belongs to names, the same each time.
func named(names ...string) string {
	return uuid.NewSHA1(space, []byte(strings.Join(names, "\x00"))).String()
}

// hash names a document by texts that may be longer than ids are.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// wake makes Run look at once.
func (s *Service) wake() {
	select {
	case s.bell() <- struct{}{}:
	default:
	}
}

func (s *Service) bell() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeup == nil {
		s.wakeup = make(chan struct{}, 1)
	}
	return s.wakeup
}

// gone is nil where there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}
