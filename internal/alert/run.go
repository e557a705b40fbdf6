package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// So many subscriptions are served at once by one process, each in its turn.
const workers = 4

// Run delivers what was put down, until ctx ends. What is cut short is tried
// again by whoever comes next, so that each alert arrives at least once.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan struct{}, workers)
	running := 0
	tidy := time.NewTimer(0)
	defer tidy.Stop()
	for {
		mine, next, err := s.claim(ctx, workers-running)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the alerts to be delivered can't be read", "error", err)
		}
		for _, q := range mine {
			running++
			wg.Go(func() {
				s.turn(ctx, q)
				ended <- struct{}{}
			})
		}
		wait := cmp.Or(s.Poll, 5*time.Second)
		if !next.IsZero() && running < workers {
			wait = max(0, min(wait, next.Sub(s.Now())))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-ended:
			running--
		case <-s.bell():
		case <-tidy.C:
			if err := s.upkeep(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "old alerts can't be removed", "error", err)
			}
			tidy.Reset(time.Hour)
		case <-timer.C:
		}
		timer.Stop()
	}
}

// turn delivers what waits for one subscription.
func (s *Service) turn(ctx context.Context, q queue) {
	defer func() {
		if p := recover(); p != nil { // the process has others; it is tried again when the lease is over
			s.Log.ErrorContext(ctx, "an alert made the program panic", "subscription", q.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	for range maxTurn {
		sub, d, ok, err := s.head(ctx, q)
		if err == nil && !ok {
			return
		}
		if err == nil {
			var more bool
			out := s.deliver(ctx, q.Place, sub, &d)
			if ctx.Err() != nil {
				break
			}
			if more, err = s.settle(ctx, q, sub, d, out); err == nil && !more {
				return
			}
		}
		if errors.Is(err, docstore.ErrStale) {
			return // another process has it
		}
		if err != nil {
			if ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "an alert can't be delivered now", "subscription", q.id, "error", err)
			}
			break
		}
	}
	s.release(ctx, q)
}

// release gives a queue back before the lease is over.
func (s *Service) release(ctx context.Context, q queue) {
	failed := ctx.Err() == nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		mine, err := q.held(t)
		if err != nil {
			return err
		}
		mine.Lease = ""
		return mine.move(t, s.Now())
	})
	if err != nil && failed && !errors.Is(err, docstore.ErrStale) {
		s.Log.ErrorContext(ctx, "the alerts of a subscription wait until its lease is over", "subscription", q.id, "error", err)
	}
}

// An outcome is what came of a try.
type outcome struct {
	err error // nil for delivered
	// blocked means that others to the same subscription would fare alike.
	blocked bool
}

// deliver tries once. What is left of a mail's addresses stands in d.
func (s *Service) deliver(ctx context.Context, p place, sub stored, d *delivery) outcome {
	if sub.Channel == Webhook {
		err := s.post(ctx, p, sub, d.Message)
		return outcome{err: err, blocked: err != nil && problem.KindOf(err) != problem.Conflict}
	}
	if d.Left == nil {
		d.Left = sub.To
	}
	for len(d.Left) > 0 {
		err := s.mail(ctx, p, sub.Subscription, d.Message, d.Left[0])
		switch {
		case err == nil:
		case problem.KindOf(err) == problem.Invalid:
			d.Refused = err.Error()
		default:
			return outcome{err: err, blocked: true}
		}
		d.Left = d.Left[1:]
	}
	if d.Refused != "" {
		return outcome{err: problem.Errorf(problem.Invalid, "%s", d.Refused)}
	}
	return outcome{}
}

// settle puts down what came of a try, and says whether there may be more to do.
func (s *Service) settle(ctx context.Context, q queue, sub stored, d delivery, out outcome) (more bool, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		more = true
		mine, err := q.held(t)
		if err != nil {
			return err
		}
		p, now := mine.Place, s.Now()
		was, err := readHealth(t, p, q.id)
		if err != nil {
			return err
		}
		h := Health{Status: "delivered", At: now.UnixMilli(), GivenUp: was.GivenUp, LeftOut: was.LeftOut + mine.LeftOut}
		mine.LeftOut = 0
		due := now.Add(lease)
		given := 0
		switch {
		case out.err == nil:
			mine.Failures = 0
			err = mine.drop(t, d.id)
		case d.Refused != "" && !out.blocked: // the mail is done with, but for addresses that it can't reach
			mine.Failures = 0
			given = 1
			err = mine.drop(t, d.id)
		default:
			given, err = s.later(t, &mine, d, out, now)
			if out.blocked {
				mine.Failures++
				mine.Lease = ""
				due, more = now.Add(pause(mine.Failures)), false
			}
		}
		if err != nil {
			return err
		}
		if out.err != nil {
			h.Status, h.Error = "failing", line(out.err.Error(), maxTitle)
		}
		h.GivenUp += given
		if given > 0 && was.GivenUp == 0 || h.LeftOut > 0 && was.LeftOut == 0 {
			if err := s.tellUndelivered(t, p, sub, h); err != nil {
				return err
			}
		}
		if err := writeHealth(t, p, q.id, h); err != nil {
			return err
		}
		return mine.move(t, due)
	})
	if err == nil && out.err != nil {
		s.Log.WarnContext(ctx, "an alert was not delivered", "subscription", q.id, "channel", string(sub.Channel), "tries", d.Tries+1, "error", out.err)
	}
	return more, err
}

// drop removes a delivery that is done with.
func (q *queue) drop(t *docstore.Tx, id string) error {
	q.Waiting--
	return t.Remove(q.Place.scope(), kindDelivery, id)
}

// later puts a delivery off that failed. What was tried for too long is given up,
// and where nothing gets through, all that is as old; it returns how many.
func (s *Service) later(t *docstore.Tx, q *queue, d delivery, out outcome, now time.Time) (int, error) {
	oldest := now.Add(-giveUp).UnixMilli()
	given := 0
	if out.blocked {
		err := each(t, q.Place, kindDelivery, q.id, func(_ docstore.Doc, one delivery) (bool, error) {
			if one.Since > oldest {
				return false, nil
			}
			if one.id == d.id {
				return true, nil
			}
			given++
			return true, q.drop(t, one.id)
		})
		if err != nil {
			return 0, err
		}
	}
	if d.Since <= oldest {
		return given + 1, q.drop(t, d.id)
	}
	doc, err := t.Get(q.Place.scope(), kindDelivery, d.id)
	if err != nil {
		return given, gone(err)
	}
	d.Tries++
	if !out.blocked {
		d.After = now.Add(pause(d.Tries)).UnixMilli()
	}
	_, err = t.Write(q.Place.scope(), doc, d)
	return given, err
}

func writeHealth(t *docstore.Tx, p place, id string, h Health) error {
	d, err := t.Get(p.scope(), kindHealth, id)
	if errors.Is(err, docstore.ErrNotFound) {
		d, err = docstore.Doc{Kind: kindHealth, ID: id}, nil
	}
	if err != nil {
		return err
	}
	return t.Store(p.scope(), d, h)
}

// tellUndelivered shows in the application that alerts don't reach a
// subscription, the first time that some are lost to it.
func (s *Service) tellUndelivered(t *docstore.Tx, p place, sub stored, h Health) error {
	_, err := s.putNotice(t, p, message{
		Kind: Undeliverable, At: h.At, Title: line(fmt.Sprintf("Alerts do not reach the subscription %q", sub.Name), maxTitle),
		Text: line(h.Error, maxText),
	})
	return err
}
