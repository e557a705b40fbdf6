package flow

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// An Inspected is what is known of a connection that Stripe was asked about.
type Inspected struct {
	Verified
	Credentials Credentials
}

// Inspect asks Stripe what a connection's credentials may read, within the time
// that a caller waits. A refusal of the source's is a failure of the call, never
// one of the caller's token.
func (s *Service) Inspect(ctx context.Context, c access.Caller, id string) (Inspected, error) {
	v, err := s.Connection(ctx, c, id)
	if err != nil {
		return Inspected{}, err
	}
	cred, err := s.Credentials(v)
	if err != nil {
		return Inspected{}, err
	}
	found, err := s.verify(ctx, cred)
	if err != nil {
		if ctx.Err() != nil {
			return Inspected{}, ctx.Err()
		}
		return Inspected{}, askFailure(err)
	}
	return Inspected{found, cred}, s.Learn(ctx, c, id, found.Account)
}

// Opening returns the base connections of a sandbox whose account is known and
// is one that of names, newest first; drafts are left out.
func (s *Service) Opening(ctx context.Context, c access.Caller, of func(Account) bool) ([]*Connection, error) {
	var found []*Connection
	page := docstore.Page{Newest: true, Limit: pageSize}
	for {
		var docs []docstore.Doc
		err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			docs, err = t.List(scope(c), kindConnection, page)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			v, err := connections.read(d)
			if err != nil {
				return nil, err
			}
			if v.State == Enabled && v.Account != nil && of(*v.Account) {
				found = append(found, v)
			}
		}
		if len(docs) < page.Limit {
			return found, nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}

// longest is the longest interval that is told as a time: a century, in ms.
const longest = 100 * 365 * 24 * 3600 * 1000

// Every reads the frequency and the interval of a schedule as dataflows have
// them; 0 for one that runs once.
func Every(frequency, interval string) (time.Duration, error) {
	given := map[string]string{}
	for name, text := range map[string]string{"frequency": frequency, "interval": interval} {
		if text != "" {
			given[name] = text
		}
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return 0, err
	}
	schedule, err := readSchedule(raw, nil, time.Unix(0, 0))
	if err != nil {
		return 0, err
	}
	p, err := schedule.pace()
	return time.Duration(min(p.every, longest)) * time.Millisecond, err
}

// Chosen reads the names of resources; none stands for all. CONNECTOR-1312-400
// for one that there is not.
func Chosen(names []string) ([]string, error) {
	all := resourceNames()
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, invalid("CONNECTOR-1312-400", "resources", "There is no resource %q: %q are there", name, all)
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(names, name) }), nil
}
