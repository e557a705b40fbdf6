package alert

import (
	"context"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// Try sends a test message to a subscription at once, whether it is enabled or
// not. What keeps it from arriving is its first result, empty if it arrived.
func (s *Service) Try(ctx context.Context, c access.Caller, id string) (string, error) {
	p := placeOf(c)
	var sub stored
	m := message{
		EventID: uuid.NewString(), Kind: Test, At: s.Now().UnixMilli(), Title: "This is a test",
		Text: "Alerts of this subscription arrive.",
	}
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		if sub, err = readSubscription(t, p, id); err != nil || sub.Channel != App {
			return err
		}
		_, err = s.putNotice(t, p, m)
		return err
	})
	if err != nil || sub.Channel == App {
		return "", missing(err, id)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	d := delivery{Message: m}
	out := s.deliver(ctx, p, sub, &d)
	if out.err != nil {
		s.Log.InfoContext(ctx, "a test of an alert subscription failed", "subscription", id, "error", out.err)
		return line(out.err.Error(), maxTitle), nil
	}
	return "", nil
}
