package extract

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripe"
)

// complete reads the rest of the lists embedded in the items that show only
// their first page, and puts it in: an object lands whole or not at all.
func complete(ctx context.Context, c *stripe.Client, items []rawjson.Item) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i := range items {
		g.Go(func() error {
			raw, err := Complete(ctx, c, items[i].Raw)
			if err != nil {
				return fmt.Errorf("the lists inside %s: %w", items[i].ID, err)
			}
			items[i].Raw = raw
			return nil
		})
	}
	return g.Wait()
}

// Complete returns obj with the lists inside it read to the end. It returns
// obj itself when nothing is missing.
func Complete(ctx context.Context, c *stripe.Client, obj []byte) ([]byte, error) {
	lists, err := rawjson.Incomplete(obj)
	if err != nil {
		return obj, nil //nolint:nilerr // the mapping refuses the object, with the reason
	}
	if len(lists) == 0 {
		return obj, nil
	}
	// From the back, so that offsets stay true; has_more may stand on either
	// side of its data.
	type edit struct {
		at, drop int
		put      []byte
	}
	var edits []edit
	for _, l := range lists {
		rest, err := readRest(ctx, c, l)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit{at: l.DataEnd, put: rest}, edit{at: l.HasMore, drop: len("true"), put: []byte("false")})
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.at - a.at })
	out := slices.Clone(obj)
	for _, e := range edits {
		out = slices.Replace(out, e.at, e.at+e.drop, e.put...)
	}
	return out, nil
}

// readRest returns what follows the last element shown, as array text that
// begins with a comma.
func readRest(ctx context.Context, c *stripe.Client, l rawjson.Embedded) ([]byte, error) {
	after := string(l.LastID)
	if after == "" && !l.Empty {
		return nil, problem.Errorf(problem.Unavailable, "the list at %s can't be continued: its last element has no id", l.URL)
	}
	var out []byte
	seen := map[string]bool{after: true}
	for more := true; more; {
		page, err := c.ListURL(ctx, string(l.URL), after, 0)
		if err != nil {
			return nil, err
		}
		for _, it := range page.List.Items {
			if seen[string(it.ID)] {
				continue
			}
			seen[string(it.ID)] = true
			raw, err := Complete(ctx, c, it.Raw)
			if err != nil {
				page.Release()
				return nil, err
			}
			if len(out) > 0 || !l.Empty {
				out = append(out, ',')
			}
			out = append(out, raw...)
		}
		more = page.List.HasMore && len(page.List.Items) > 0
		if more {
			next := string(page.List.Items[len(page.List.Items)-1].ID)
			if next == "" || next == after {
				page.Release()
				return nil, problem.Errorf(problem.Unavailable, "the list at %s goes round in a circle", l.URL)
			}
			after = next
		}
		page.Release()
	}
	return out, nil
}
