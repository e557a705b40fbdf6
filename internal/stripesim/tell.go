package stripesim

import (
	"errors"
	"time"
)

// An Event is one that a test makes up, whether anything happened or not.
type Event struct {
	Type    string
	Object  []byte    // data.object, JSON in acacia's shape; nil: something that nobody knows
	Created time.Time // default now
	Visible time.Time // when /v1/events begins to show it; default as Config.EventDelay says
	// APIVersion renders it, as after a rollback of the account's version.
	// Default: the account's; for webhook endpoints, theirs.
	APIVersion string
	// Account and OtherMode make it an event of someone else, which is sent to
	// webhook endpoints alone.
	Account   string
	OtherMode bool
}

// Tell records an event that the account did not cause, and returns its id.
func (s *Sim) Tell(e Event) (id string, err error) {
	n := notice{kind: e.Type, account: e.Account, foreign: e.OtherMode}
	if e.Type == "" {
		return "", errors.New("an event without a type")
	}
	if e.APIVersion != "" {
		var refused *apiError
		if n.version, refused = checkVersion(e.APIVersion); refused != nil {
			return "", refused
		}
	}
	if e.Object != nil {
		if n.now, err = parse(e.Object); err != nil {
			return "", err
		}
	}
	if !e.Created.IsZero() {
		n.created = e.Created.Unix()
	}
	if !e.Visible.IsZero() {
		n.visible = e.Visible.Unix()
	}
	defer s.begin()()
	if n.now == nil {
		n.now = s.stranger()
	}
	return s.announce(n), nil
}

// stranger is an object of a kind that nobody knows.
func (s *Sim) stranger() *node {
	r := s.draw()
	return fields(
		"id", string(r.appendWord([]byte("nmb_"), 16)), "object", "nimbus", "created", s.clock.unix(), "customer", nil,
		"drift", fields("speed", 3, "heading", "NNW"), "livemode", s.cfg.Mode == Live)
}
