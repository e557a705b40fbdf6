package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Why a reconcile was begun.
const (
	ReconcileAsked     = "asked for"
	ReconcileGap       = "events were lost"
	ReconcileScheduled = "due"
)

// A Proof is what a reconcile of one resource came to: all that Stripe lists
// compared with all that the lake shows to a query, of what was created before
// a moment.
type Proof struct {
	Reason      string    `json:"reason"`
	Before      time.Time `json:"created_before"` // UTC
	Stripe      int64     `json:"in_stripe"`
	Lake        int64     `json:"in_lake"`     // live objects, after the repair
	Missing     int64     `json:"missing"`     // were not in the lake
	Stale       int64     `json:"stale"`       // were there in an older state
	Extra       int64     `json:"extra"`       // were in the lake and are not in Stripe
	Repaired    int64     `json:"repaired"`    // of these three together
	Held        int64     `json:"held"`        // extra ones that stay until their deletion is accepted
	Unlisted    int64     `json:"unlisted"`    // in Stripe, found by id alone: no list shows them
	Quarantined int64     `json:"quarantined"` // in Stripe, but no record can be made of them
	// Suppressed are in Stripe and not in the lake, because their customer is to
	// be forgotten; no other number counts them.
	Suppressed int64 `json:"suppressed,omitempty"`
	Sums       []Sum `json:"sums"`
	// Equal means that the numbers of objects and all sums agree.
	Equal bool `json:"equal"`
	// Unread is why the lake's side could not be read, "" if it was: its numbers
	// say nothing then.
	Unread string `json:"unread,omitempty"`

	since, bound int64
}

// A Sum is an amount added up on both sides, in minor units of one currency.
type Sum struct {
	Field    string `json:"field"`
	Currency string `json:"currency"`
	Stripe   int64  `json:"in_stripe"`
	Lake     int64  `json:"in_lake"`
}

// Guards of a reconcile: more objects than this that Stripe knows nothing of, in
// all or as a share of what is stored, are taken for a wrong key or wiped test
// data. What Stripe says was deleted is not among them.
const (
	absentMost  = 10
	absentShare = 100 // one in
)

// reconcileFor says why a lane is to be compared with the account in this pass,
// "" if it is not.
func (p *pass) reconcileFor(c *extract.Checkpoint) string {
	now := p.client.StripeNow().Unix()
	switch {
	case p.Reconcile:
		return ReconcileAsked
	case p.ReconcileEvery > 0 && now-c.Reconciled >= int64(p.ReconcileEvery.Seconds()):
		return ReconcileScheduled
	}
	return ""
}

// prepare opens the register of a lane whose reconcile is under way. One that
// is lost makes the reading begin anew.
func (p *pass) prepare(l *lane) error {
	c := &l.lander.Checkpoint
	if c.Reconciling == nil || l.register != nil {
		return nil
	}
	id, now := c.Reconciling.ID, p.client.StripeNow().Unix()
	if now-c.Reconciling.Began > extract.Retention { // what it listed first may have changed without a trace
		if err := removeRegisters(p.Dir, l.resource.Name); err != nil {
			return err
		}
	}
	r, found, err := openRegister(p.Dir, id, l.resource.Name, l.lander.Plan.Layout())
	if err != nil {
		return fmt.Errorf("the register of the reconcile: %w", err)
	}
	if !found && !l.fresh {
		c.Relist(id, now, len(l.resource.Variants))
	}
	l.register, l.lander.Register = r, r
	l.lander.Version.Source = dataset.SourceReconcile
	return nil
}

// begin plans the reconcile of a lane.
func (p *pass) begin(l *lane, reason string) error {
	c := &l.lander.Checkpoint
	if c.Reconciling != nil {
		return nil
	}
	if err := removeRegisters(p.Dir, l.resource.Name); err != nil {
		return err
	}
	c.Reconcile(strings.TrimPrefix(p.report.RunID, "run_"), reason, p.client.StripeNow().Unix(), len(l.resource.Variants))
	l.fresh = true
	return p.prepare(l)
}

// reconcile ends a lane's reconcile once everything is read: what the lake
// has and no list showed is asked for by id, and marked deleted if it is gone.
func (p *pass) reconcile(ctx context.Context, l *lane, i int) error {
	began := l.lander.Checkpoint.Reconciling
	proof := &Proof{
		Reason: began.Reason, Before: time.Unix(began.Bound(), 0).UTC(),
		Sums: []Sum{}, since: l.lander.Checkpoint.Since, bound: began.Bound(),
	}
	absent, stored, err := p.absent(l)
	if err != nil {
		return err
	}
	before := l.lander.Counts()
	gone, err := p.confirm(ctx, l, absent, max(absentMost, stored/absentShare))
	if err != nil {
		return err
	}
	proof.Unlisted = int64(len(absent) - len(gone))
	proof.Extra = int64(len(gone))
	if mayVanish(l.resource) || p.AcceptDeletes {
		err = p.bury(ctx, l, gone)
	} else if proof.Held = proof.Extra; proof.Held > 0 {
		p.note("%s: %d in the lake are not in Stripe any more, which does not happen to them unless test data is wiped; they stay. --reconcile --accept-deletes marks them deleted.", l.resource.Name, proof.Held)
	}
	if err != nil {
		return err
	}
	after := l.lander.Counts()
	proof.Missing = began.Missing
	proof.Stale = began.Stale + after.Updated - before.Updated
	proof.Repaired = proof.Missing + proof.Stale + after.Deleted - before.Deleted
	if err := p.total(l, proof); err != nil {
		return err
	}
	l.lander.Checkpoint.Compared()
	l.lander.Register = nil
	if err := l.lander.Touch(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	p.report.Resources[i].Proof = proof
	return removeRegisters(p.Dir, l.resource.Name)
}

// absent returns the ids of live objects that no list showed, and the number of
// live objects. What was created or read since the reconcile began is passed
// over.
func (p *pass) absent(l *lane) (ids []string, stored int, err error) {
	c := &l.lander.Checkpoint
	began := c.Reconciling
	n, err := l.register.parts()
	if err != nil {
		return nil, 0, err
	}
	for part := range n {
		listed, err := l.register.part(part, n)
		if err != nil {
			return nil, 0, err
		}
		err = l.index.Each(func(id []byte, e idindex.Entry) error {
			h := xxh3.Hash(id)
			if e.Deleted || e.Created >= began.Bound() || e.Created < c.Since || h%n != part {
				return nil
			}
			stored++
			if !listed.has(h) {
				ids = append(ids, string(id))
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return ids, stored, nil
}

// confirm asks for absent objects by id. It returns those that are gone, and
// lands the others. More than limit of them that Stripe knows nothing of stop it,
// unless deletes are accepted.
func (p *pass) confirm(ctx context.Context, l *lane, ids []string, limit int) (gone []string, err error) {
	asked := p.client.StripeNow()
	strange := 0
	for batch := range slices.Chunk(ids, confirmAtOnce) {
		err := p.retrieve(ctx, l, batch, func(id string, resp *stripe.Response, err error) error {
			if problem.KindOf(err) == problem.NotFound {
				gone = append(gone, id)
				strange++
				return nil
			}
			if err != nil {
				return err
			}
			raw, err := extract.Complete(ctx, p.client, resp.Body)
			if err != nil {
				return err
			}
			item, _, err := rawjson.One(raw, rawjson.SkipSpace(raw, 0))
			if err != nil {
				return err
			}
			if item.Deleted {
				gone = append(gone, id)
				return nil
			}
			return l.lander.Object(context.WithoutCancel(ctx), item, ingest.Read{
				Start: cmp.Or(resp.Start, asked), Version: resp.Version, Request: resp.RequestID, Last: true, Listed: true,
			})
		})
		if err != nil {
			return nil, err
		}
		if strange > limit && !p.AcceptDeletes {
			return nil, &problem.Error{
				Kind:   problem.Conflict,
				Detail: fmt.Sprintf("%d or more objects of the copy are not in Stripe any more, nor known there as deleted, of %d that no list shows", strange, len(ids)),
				Err:    ErrGuarded,
				Advice: "Check that the key is the right one and that test data was not wiped by mistake. If they are to be marked deleted, run sync --reconcile --accept-deletes",
			}
		}
	}
	return gone, l.lander.Commit(context.WithoutCancel(ctx))
}

// ErrGuarded is why a reconcile that found many objects gone failed: they stay until
// their deletion is accepted.
var ErrGuarded = errors.New("nothing was marked deleted")

// confirmAtOnce objects are asked for before the guard looks.
const confirmAtOnce = 200

// bury makes tombstones of objects that are gone.
func (p *pass) bury(ctx context.Context, l *lane, gone []string) error {
	after := context.WithoutCancel(ctx)
	asked := p.client.StripeNow()
	for batch := range slices.Chunk(gone, wantedAtOnce) {
		read := ingest.Read{Start: asked, Version: stripe.Version, Source: dataset.SourceReconcile, Last: true}
		if err := l.lander.Gone(after, batch, read); err != nil {
			return err
		}
		if err := l.lander.Commit(after); err != nil {
			return err
		}
	}
	return nil
}

// total adds up Stripe's side: each object once, those found by id included.
func (p *pass) total(l *lane, proof *Proof) error {
	n, err := l.register.parts()
	if err != nil {
		return err
	}
	type kind struct{ field, currency string }
	sums := map[kind]int64{}
	fields := summed[l.resource.Name]
	for part := range n {
		listed, err := l.register.part(part, n)
		if err != nil {
			return err
		}
		for _, e := range listed {
			if e.created >= proof.bound {
				continue
			}
			if e.currency == passedMark {
				proof.Suppressed++
				continue
			}
			proof.Stripe++
			if e.currency == rejectedMark {
				proof.Quarantined++
				continue
			}
			for i, f := range fields {
				sums[kind{f, strings.TrimRight(string(e.currency[:]), "\x00")}] += e.amounts[i]
			}
		}
	}
	for k, sum := range sums {
		proof.Sums = append(proof.Sums, Sum{Field: k.field, Currency: k.currency, Stripe: sum})
	}
	return nil
}

// retrieve reads objects by id, several at once, and hands each answer to do,
// one after the other. A failure ends it.
func (p *pass) retrieve(ctx context.Context, l *lane, ids []string, do func(id string, resp *stripe.Response, err error) error) error {
	type answer struct {
		id   string
		resp *stripe.Response
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer)
	next := make(chan string)
	go func() {
		defer close(next)
		for _, id := range ids {
			select {
			case next <- id:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range retrieveAtOnce {
		wg.Go(func() {
			for id := range next {
				resp, err := p.client.Retrieve(ctx, l.resource, id)
				answers <- answer{id, resp, err}
			}
		})
	}
	go func() { wg.Wait(); close(answers) }()
	var failed error
	for a := range answers {
		if failed == nil {
			if failed = do(a.id, a.resp, a.err); failed != nil {
				cancel()
			}
		}
		if a.resp != nil {
			a.resp.Release()
		}
	}
	return cmp.Or(failed, context.Cause(ctx))
}

const retrieveAtOnce = 8

// prove completes the proofs with what a query sees, by the same way that the
// user's queries take.
func (p *pass) prove(ctx context.Context) error {
	if !slices.ContainsFunc(p.report.Resources, func(r ResourceReport) bool { return r.Proof != nil }) {
		return nil
	}
	reader, err := OpenReader(ctx, p.Dir)
	if err != nil {
		for _, r := range p.report.Resources {
			if r.Proof != nil {
				r.Proof.Unread = err.Error()
			}
		}
		return err
	}
	defer reader.Close()
	var failed error
	for i := range p.report.Resources {
		r := &p.report.Resources[i]
		if r.Proof == nil {
			continue
		}
		if err := reader.prove(ctx, r.Resource, r.Proof); err != nil {
			r.Proof.Unread = err.Error()
			failed = errors.Join(failed, fmt.Errorf("the proof of %s: %w", r.Resource, err))
		}
	}
	return failed
}

func (r *Reader) prove(ctx context.Context, resource string, proof *Proof) error {
	from := fmt.Sprintf(`from %q where created >= %d and created < %d`, resource, proof.since, proof.bound)
	rows, err := r.Query(ctx, "select count(*) "+from)
	if err != nil {
		return err
	}
	for rows.Next() {
		err = rows.Scan(&proof.Lake)
	}
	if err := cmp.Or(err, rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, field := range summed[resource] {
		if err := r.sum(ctx, fmt.Sprintf("select currency, cast(sum(%s) as bigint) %s group by 1", field, from), field, proof); err != nil {
			return err
		}
	}
	slices.SortFunc(proof.Sums, func(a, b Sum) int { return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Field, b.Field)) })
	proof.Equal = proof.Stripe == proof.Lake && !slices.ContainsFunc(proof.Sums, func(s Sum) bool { return s.Stripe != s.Lake })
	return nil
}

func (r *Reader) sum(ctx context.Context, query, field string, proof *Proof) error {
	rows, err := r.Query(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var currency string
		var sum int64
		if err := rows.Scan(&currency, &sum); err != nil {
			return err
		}
		i := slices.IndexFunc(proof.Sums, func(s Sum) bool { return s.Field == field && s.Currency == currency })
		if i < 0 {
			i = len(proof.Sums)
			proof.Sums = append(proof.Sums, Sum{Field: field, Currency: currency})
		}
		proof.Sums[i].Lake = sum
	}
	return rows.Err()
}
