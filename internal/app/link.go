package app

import (
	"context"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/ingest"
)

// markLinked is followed by a resource: up to which seq its rows' references
// were asked for.
const markLinked = "linked "

// refersToBalance says whether objects of a resource name balance transactions.
func refersToBalance(resource string) bool { return resource == "charges" || resource == "refunds" }

// linkUp lets a lane ask for the balance transactions that its rows name, as they
// land. During a backfill that would ask for nearly all there are: link then
// looks once, at its end.
func (p *pass) linkUp(ctx context.Context, l *lane) error {
	if !refersToBalance(l.resource.Name) || l.backfills {
		return nil
	}
	upto, err := p.home.store.marked(ctx, markLinked+l.resource.Name, 1)
	if err != nil || upto[0] != l.before {
		return err
	}
	l.linked = true
	l.lander.References = ingest.BalanceTransactions(l.lander.Plan.Layout())
	return nil
}

// link sees to it that every balance transaction that a charge or a refund names
// is there: no event tells of one, and a list can leave one out. What is not
// stored after a pass over all three resources is read by id.
func (p *pass) link(ctx context.Context, lanes []*lane) error {
	balance, whole := named(lanes, "balance_transactions"), p.sound("balance_transactions")
	for _, name := range []string{"charges", "refunds"} {
		switch l := named(lanes, name); {
		case l == nil || !p.sound(name):
			whole = false
		case l.linked && l.lander.Seq != l.before:
			if err := p.home.store.mark(ctx, markLinked+name, l.lander.Seq); err != nil {
				return err
			}
		}
	}
	if !whole || balance == nil {
		return nil
	}
	for _, name := range []string{"charges", "refunds"} {
		if l := named(lanes, name); !l.linked {
			if err := p.want(ctx, l, balance); err != nil {
				return err
			}
		}
	}
	return p.fetchWanted(ctx, balance)
}

// sayUnknown says which objects were asked for by id and are not in the account,
// of resources of which that is no news of a deletion.
func (p *pass) sayUnknown(l *lane) {
	slices.Sort(l.unknown)
	ids := slices.Compact(l.unknown)
	if n := len(ids); n > 0 {
		p.note("%s: %d that events or other objects name are not in the account: %s", l.resource.Name, n, strings.Join(ids[:min(n, 5)], ", "))
	}
}

// want asks for the balance transactions that rows name which were not looked
// at before and that are not stored.
func (p *pass) want(ctx context.Context, l, balance *lane) error {
	upto, err := p.home.store.marked(ctx, markLinked+l.resource.Name, 1)
	if err != nil || upto[0] == l.lander.Seq {
		return err
	}
	var missing []string
	for row, err := range l.table.Fields(ctx, upto[0], 0, ingest.BalanceFields...) {
		if err != nil {
			return err
		}
		for _, id := range row.Fields {
			if id == "" {
				continue
			}
			if _, known, err := balance.index.Get([]byte(id)); err != nil {
				return err
			} else if !known {
				missing = append(missing, string([]byte(id)))
			}
		}
	}
	if err := p.home.store.Want(ctx, balance.resource.Name, missing, l.resource.Name); err != nil {
		return err
	}
	return p.home.store.mark(ctx, markLinked+l.resource.Name, l.lander.Seq)
}

// named returns the lane of a resource, nil if the pass has none.
func named(lanes []*lane, resource string) *lane {
	for _, l := range lanes {
		if l != nil && l.resource.Name == resource {
			return l
		}
	}
	return nil
}

// sound reports whether nothing went wrong with a resource so far.
func (p *pass) sound(resource string) bool {
	for _, r := range p.report.Resources {
		if r.Resource == resource {
			return r.err == nil
		}
	}
	return false
}
