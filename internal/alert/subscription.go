package alert

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

// A Channel is the way in which alerts come.
type Channel string

// The channels.
const (
	Email   Channel = "email"
	Webhook Channel = "webhook"
	App     Channel = "app" // notices, of which those of the usual kinds are there without a subscription
)

// Ways in which a subscription wants its alerts.
const (
	Immediate = "immediate"
	Daily     = "digest" // once a day, together
)

// A Subscription says who wants to be told what. It is also the stored form.
type Subscription struct {
	ID      string   `json:"-"`
	Name    string   `json:"name"`
	Channel Channel  `json:"channel"`
	To      []string `json:"to,omitempty"`  // e-mail addresses
	URL     string   `json:"url,omitempty"` // of a webhook
	Kinds   []Kind   `json:"kinds"`
	// Flows are the ids of the flows that it is about; empty for all. What is of no flow
	// comes in any case.
	Flows      []string `json:"flows,omitempty"`
	Delivery   string   `json:"delivery"`
	DigestHour int      `json:"digestHour"` // UTC, 0 to 23
	// EveryRun wants each failed run told, not only the first of a row. Webhooks
	// begin with it, because programs count on an event of each run.
	EveryRun  bool   `json:"everyRun"`
	Enabled   bool   `json:"enabled"`
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`

	Created  time.Time `json:"-"`
	Updated  time.Time `json:"-"`
	Revision int64     `json:"-"`
	Health   Health    `json:"-"`
}

// stored is a subscription with what it never shows.
type stored struct {
	Subscription
	Secret *secret.Sealed `json:"secret,omitempty"` // of a webhook's signatures
}

// Bounds.
const (
	maxSubscriptions = 200 // of a sandbox
	maxAddresses     = 20
	maxFlows         = 1000
	maxURL           = 2000
)

// address is what an e-mail address may look like: what needs quotes or more than ASCII
// is left to others.
var address = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

// check says what is wrong with a subscription, and fills in what it leaves open.
func (s *Service) check(sub *Subscription) error {
	bad := func(field, format string, args ...any) error {
		return problem.Errorf(problem.Invalid, field+": "+format, args...)
	}
	switch {
	case strings.TrimSpace(sub.Name) == "":
		return bad("name", "it is missing")
	case utf8.RuneCountInString(sub.Name) > maxTitle || !utf8.ValidString(sub.Name) || line(sub.Name, maxTitle) != sub.Name:
		return bad("name", "it must be one line of at most %d characters, without spaces at its ends or two in a row", maxTitle)
	case len(sub.Flows) > maxFlows:
		return bad("flows", "there are %d, at most %d are allowed; none means all", len(sub.Flows), maxFlows)
	case sub.Delivery != Immediate && sub.Delivery != Daily:
		return bad("delivery", "%q is neither immediate nor digest", sub.Delivery)
	case sub.DigestHour < 0 || sub.DigestHour > 23:
		return bad("digestHour", "%d is no hour from 0 to 23 (UTC)", sub.DigestHour)
	}
	for i, f := range sub.Flows {
		if f == "" || len(f) > maxName || !docstore.Storable(f) {
			return bad("flows", "entry %d is no id of a flow", i)
		}
	}
	if len(sub.Kinds) == 0 {
		sub.Kinds = slices.Clone(usual)
	}
	var kinds []Kind
	for _, k := range sub.Kinds {
		if !slices.Contains(Kinds, k) {
			return bad("kinds", "there is no kind %q; there are %s", k, list(Kinds))
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	sub.Kinds = kinds
	switch sub.Channel {
	case Email:
		return s.checkEmail(sub, bad)
	case Webhook:
		return s.checkWebhook(sub, bad)
	case App:
		if len(sub.To) > 0 || sub.URL != "" || sub.Delivery != Immediate {
			return bad("channel", "notices of the application have neither to nor url nor digest")
		}
		return nil
	}
	return bad("channel", "%q is none of email, webhook, app", sub.Channel)
}

func (s *Service) checkEmail(sub *Subscription, bad func(field, format string, args ...any) error) error {
	switch n := len(sub.To); {
	case sub.URL != "":
		return bad("url", "it goes with the channel webhook")
	case n == 0:
		return bad("to", "at least one e-mail address is expected")
	case n > maxAddresses:
		return bad("to", "there are %d addresses, at most %d are allowed", n, maxAddresses)
	}
	for i, a := range sub.To {
		if len(a) > 254 || !address.MatchString(a) || strings.Contains(a, "..") {
			return bad("to", "entry %d is no e-mail address such as ops@example.com", i)
		}
		if slices.Contains(sub.To[:i], a) {
			return bad("to", "entry %d is there twice", i)
		}
	}
	if s.Mail == nil && sub.Enabled {
		return &problem.Error{Kind: problem.Conflict, Detail: "this server sends no mail", Advice: "Its operator names a mail server with --smtp-url and --smtp-from"}
	}
	return nil
}

func (s *Service) checkWebhook(sub *Subscription, bad func(field, format string, args ...any) error) error {
	if len(sub.To) > 0 {
		return bad("to", "it goes with the channel email")
	}
	u, err := url.Parse(sub.URL)
	switch {
	case sub.URL == "":
		return bad("url", "it is missing")
	case len(sub.URL) > maxURL || err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || !docstore.Storable(sub.URL):
		return bad("url", "it is no URL of at most %d characters that begins with https://", maxURL)
	case u.User != nil:
		return bad("url", "it has a user name or a password; what comes is known by its signature")
	case u.Fragment != "":
		return bad("url", "it has a fragment (#…), which is never sent")
	case !sub.Enabled:
		return nil
	case s.Client == nil:
		return &problem.Error{Kind: problem.Conflict, Detail: "this server sends no webhooks of alerts", Advice: "Its operator names the hosts that they may go to with --alert-hosts"}
	case s.Allowed == nil:
		return nil
	}
	if err := s.Allowed(u); err != nil {
		return &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("url: %s is none of the hosts that webhooks of alerts may go to", u.Host),
			Advice: "The server's operator names them with --alert-hosts",
		}
	}
	return nil
}

func list(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// about names a subscription to the keys that seal its secret.
func about(p place, id string) string {
	return fmt.Sprintf("alert subscription %s of sandbox %s of organisation %s", id, p.Sandbox, p.Org)
}

// Subscribe makes a subscription. For a webhook it returns the secret of its
// signatures, which is never shown again.
func (s *Service) Subscribe(ctx context.Context, c access.Caller, sub Subscription) (Subscription, string, error) {
	if sub.Delivery == "" {
		sub.Delivery = Immediate
	}
	if err := s.check(&sub); err != nil {
		return Subscription{}, "", err
	}
	p := placeOf(c)
	sub.ID, sub.CreatedBy, sub.UpdatedBy = uuid.NewString(), c.User, c.User
	kept, shown := stored{Subscription: sub}, ""
	if sub.Channel == Webhook {
		b := make([]byte, 32)
		rand.Read(b)
		shown = "tas_" + base64.RawURLEncoding.EncodeToString(b)
		sealed, err := s.Keys.Put([]byte(shown), about(p, sub.ID))
		if err != nil {
			return Subscription{}, "", err
		}
		kept.Secret = &sealed
	}
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		all, err := t.List(p.scope(), kindSubscription, docstore.Page{Limit: maxSubscriptions})
		if err != nil {
			return err
		}
		if len(all) >= maxSubscriptions {
			return problem.Errorf(problem.Conflict, "the sandbox has %d alert subscriptions, and can't have more", len(all))
		}
		d, err := t.Write(p.scope(), docstore.Doc{Kind: kindSubscription, ID: sub.ID}, kept)
		sub.of(d)
		return err
	})
	return sub, shown, err
}

// of fills in what a document knows of itself.
func (sub *Subscription) of(d docstore.Doc) {
	sub.ID, sub.Created, sub.Updated, sub.Revision = d.ID, d.Created, d.Updated, d.Revision
}

// Subscriptions returns all of the caller's sandbox, oldest first.
func (s *Service) Subscriptions(ctx context.Context, c access.Caller) ([]Subscription, error) {
	var all []Subscription
	p := placeOf(c)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		all = []Subscription{}
		kept, err := readSubscriptions(t, p)
		for _, k := range kept {
			if k.Health, err = readHealth(t, p, k.ID); err != nil {
				return err
			}
			all = append(all, k.Subscription)
		}
		return err
	})
	return all, err
}

// Subscription returns one; problem.NotFound.
func (s *Service) Subscription(ctx context.Context, c access.Caller, id string) (Subscription, error) {
	var sub Subscription
	p := placeOf(c)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		kept, err := readSubscription(t, p, id)
		if err != nil {
			return err
		}
		sub = kept.Subscription
		sub.Health, err = readHealth(t, p, id)
		return err
	})
	return sub, missing(err, id)
}

// Change changes a subscription as change says; its channel stays.
func (s *Service) Change(ctx context.Context, c access.Caller, id string, change func(*Subscription) error) (Subscription, error) {
	var sub Subscription
	p := placeOf(c)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		kept, err := readSubscription(t, p, id)
		if err != nil {
			return err
		}
		channel, d := kept.Channel, docstore.Doc{Kind: kindSubscription, ID: id, Revision: kept.Revision}
		if err := change(&kept.Subscription); err != nil {
			return err
		}
		if kept.Channel != channel {
			return problem.Errorf(problem.Invalid, "channel: it is %s and can't be changed; make another subscription", channel)
		}
		if err := s.check(&kept.Subscription); err != nil {
			return err
		}
		kept.UpdatedBy = c.User
		if d, err = t.Write(p.scope(), d, kept); err != nil {
			return err
		}
		sub = kept.Subscription
		sub.of(d)
		sub.Health, err = readHealth(t, p, id)
		return err
	})
	return sub, missing(err, id)
}

// Unsubscribe removes a subscription and what it was still to be told.
func (s *Service) Unsubscribe(ctx context.Context, c access.Caller, id string) error {
	p := placeOf(c)
	return missing(s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := t.Delete(p.scope(), kindSubscription, id); err != nil {
			return err
		}
		return clearQueue(t, p, id)
	}), id)
}

func missing(err error, id string) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no alert subscription %q in this sandbox", cut(id, 100))
	}
	return err
}

func readSubscription(t *docstore.Tx, p place, id string) (stored, error) {
	kept, d, err := docstore.Body[stored](t, p.scope(), kindSubscription, id)
	kept.of(d)
	return kept, err
}

func readSubscriptions(t *docstore.Tx, p place) ([]stored, error) {
	docs, err := t.List(p.scope(), kindSubscription, docstore.Page{})
	if err != nil {
		return nil, err
	}
	var all []stored
	for _, d := range docs {
		kept, err := docstore.Decode[stored](d)
		if err != nil {
			return nil, err
		}
		kept.of(d)
		all = append(all, kept)
	}
	return all, nil
}

// wants says whether a kind of event, of a flow, was subscribed to.
func (sub *Subscription) wants(k Kind, flow string) bool {
	if !sub.Enabled || flow != "" && len(sub.Flows) > 0 && !slices.Contains(sub.Flows, flow) {
		return false
	}
	return slices.Contains(sub.Kinds, k) || k == RunNoData && slices.Contains(sub.Kinds, RunSuccess)
}

// pick returns what a subscription is to be told of an event; false for nothing.
func (sub *Subscription) pick(m message, c change) (message, bool) {
	switch wanted := sub.wants(m.Kind, m.Flow); {
	case wanted && c.repeated:
		return m, m.Kind == RunFailure && sub.EveryRun || sub.Delivery == Daily
	case wanted:
		return m, true
	case c.recovered != nil && sub.wants(RunFailure, m.Flow):
		return m.recovery(), true
	}
	return message{}, false
}

// next returns when a digest is due that holds what happens now.
func (sub *Subscription) next(now time.Time) time.Time {
	now = now.UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), sub.DigestHour, 0, 0, 0, time.UTC)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}
