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
	switch {
	case l.DataEnd == 0 || l.URL == nil:
		return nil, problem.Errorf(problem.Unavailable, "a list that shows only a part of itself has no data or no url")
	case after == "" && !l.Empty:
		return nil, problem.Errorf(problem.Unavailable, "the list at %s can't be continued: its last element has no id", l.URL)
	}
	rest := rest{client: c, first: l.Empty, seen: map[string]bool{after: true}}
	for more := true; more; {
		page, err := c.ListURL(ctx, string(l.URL), after, 0)
		if err != nil {
			return nil, err
		}
		after, err = rest.add(ctx, page.List.Items)
		more = page.List.HasMore
		page.Release()
		switch {
		case err != nil:
			return nil, err
		case more && after == "":
			return nil, problem.Errorf(problem.Unavailable, "the list at %s can't be continued: it shows nothing that is new and has an id", l.URL)
		}
	}
	return rest.text, nil
}

// rest is what was read of a list beyond its first page.
type rest struct {
	client *stripe.Client
	first  bool // the next element is the list's first
	seen   map[string]bool
	text   []byte
}

// add appends the items, each once, and returns the id after which the list goes
// on, "" when the items brought nothing new.
func (r *rest) add(ctx context.Context, items []rawjson.Item) (after string, err error) {
	for _, it := range items {
		id := string(it.ID)
		if id != "" && r.seen[id] {
			continue
		}
		r.seen[id] = true
		raw, err := Complete(ctx, r.client, it.Raw)
		if err != nil {
			return "", err
		}
		if !r.first {
			r.text = append(r.text, ',')
		}
		r.text, r.first, after = append(r.text, raw...), false, id
	}
	return after, nil
}
