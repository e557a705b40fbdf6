package stripesim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// control is the simulator's own interface, for tests of other processes. It
// is neither counted nor limited and asks for no key.
//
//	GET  /sim/oracle/<resource>    one object per line: what an exact copy holds
//	GET  /sim/deleted/<resource>   the same for deleted objects
//	GET  /sim/inline               the same for inline prices
//	GET  /sim/changed/<resource>   ids of the objects that changed, see Changed
//	GET  /sim/versions/<resource>/<id>  one Version per line
//	GET  /sim/stats, /sim/log      Stats and the log, as JSON
//	GET  /sim/now                  the account's time
//	POST /sim/reset                sets both to zero
//	POST /sim/do                   takes the Step in the body
//	POST /sim/plan                 replaces the Plan by the body
//	POST /sim/put/<resource>       places the object in the body, see Put
//	POST /sim/advance              moves the clock by {"days": 1.5}
//	POST /sim/live                 lets {"days": 3, "seed": 1, "rates": {…}} pass, see Live
//	POST /sim/shop                 lets {"days": 14, "seed": 1, "rate": 0.05, "effects": {…}} of a Shopping pass; its
//	                               visits, one per line. With "before": 30 it begins so many days ago.
//	POST /sim/wipe                 empties the account, see Wipe
//	POST /sim/version              sets {"version": "…"}, see SetAPIVersion
//	POST /sim/novelty              sets {"on": true}, see SetNovelty
//	POST /sim/deliver              delivers with the DeliverOptions in the body; results as JSON
//
// Its errors are plain text.
func (s *Sim) control(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/sim/"), "/")
	resource, id, _ := strings.Cut(rest, "/")
	if s.shelves[Resource(resource)] == nil && resource != "" {
		http.Error(w, "unknown resource", http.StatusNotFound)
		return
	}
	w.Header().Set("Date", s.clock.now().Format(http.TimeFormat))
	var known bool
	var err error
	switch r.Method {
	case http.MethodGet:
		known, err = s.show(w, what, Resource(resource), id)
	case http.MethodPost:
		known, err = s.command(r.Context(), w, what, Resource(resource), http.MaxBytesReader(w, r.Body, 64<<20))
	}
	switch {
	case !known:
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// show answers a question; known is false for one that there is not.
func (s *Sim) show(w http.ResponseWriter, what string, r Resource, id string) (known bool, err error) {
	switch what {
	case "oracle":
		return true, writeTruth(w, s.Oracle(r))
	case "deleted":
		return true, writeTruth(w, s.Deleted(r))
	case "inline":
		return true, writeTruth(w, s.InlinePrices())
	case "changed":
		return true, json.NewEncoder(w).Encode(s.Changed(r))
	case "versions":
		return true, writeVersions(w, s.Versions(r, id))
	case "stats":
		return true, json.NewEncoder(w).Encode(s.Stats())
	case "log":
		return true, json.NewEncoder(w).Encode(s.Log())
	case "now":
		return true, json.NewEncoder(w).Encode(s.Now())
	}
	return false, nil
}

// command changes the account.
func (s *Sim) command(ctx context.Context, w io.Writer, what string, r Resource, body io.Reader) (known bool, err error) {
	var in struct {
		Days    float64 `json:"days"`
		Seed    uint64  `json:"seed"`
		Rates   Rates   `json:"rates"`
		Version string  `json:"version"`
		On      bool    `json:"on"`
	}
	switch what {
	case "advance", "live", "version", "novelty":
		if err := json.NewDecoder(body).Decode(&in); err != nil {
			return true, err
		}
	}
	switch what {
	case "reset":
		s.ResetStats()
	case "do":
		var step Step
		if err := json.NewDecoder(body).Decode(&step); err != nil {
			return true, err
		}
		return true, s.Do(step)
	case "plan":
		var p Plan
		if err := json.NewDecoder(body).Decode(&p); err != nil {
			return true, err
		}
		return true, s.SetPlan(p)
	case "put":
		var raw bytes.Buffer
		if _, err := raw.ReadFrom(body); err != nil {
			return true, err
		}
		return true, s.Put(r, raw.Bytes())
	case "advance":
		if in.Days < 0 || in.Days > 36500 {
			return true, fmt.Errorf("days %v: want 0 to 36500", in.Days)
		}
		s.Advance(time.Duration(in.Days * 24 * float64(time.Hour)))
	case "live":
		return true, s.liveFor(ctx, w, in.Days, in.Seed, in.Rates)
	case "shop":
		return true, s.shopFor(ctx, w, body)
	case "wipe":
		s.Wipe()
	case "version":
		return true, s.SetAPIVersion(in.Version)
	case "novelty":
		s.SetNovelty(in.On)
	case "deliver":
		var o DeliverOptions
		if err := json.NewDecoder(body).Decode(&o); err != nil && !errors.Is(err, io.EOF) {
			return true, err
		}
		done, err := s.Deliver(ctx, o)
		if err != nil {
			return true, err
		}
		return true, json.NewEncoder(w).Encode(done)
	default:
		return false, nil
	}
	return true, nil
}

// liveFor lets days pass and writes how many things happened.
func (s *Sim) liveFor(ctx context.Context, w io.Writer, days float64, seed uint64, rates Rates) error {
	life, err := s.Live(seed, rates)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for range int(days) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		happened, err := life.Day()
		if err != nil {
			return err
		}
		for _, h := range happened {
			counts[h.What]++
		}
	}
	return json.NewEncoder(w).Encode(counts)
}

// shopFor lets the customers shop for some days and writes their visits.
func (s *Sim) shopFor(ctx context.Context, w io.Writer, body io.Reader) error {
	var in struct {
		Shopping
		Days   float64 `json:"days"`
		Before float64 `json:"before"`
	}
	if err := json.NewDecoder(body).Decode(&in); err != nil {
		return err
	}
	if in.Days < 0 || in.Before < 0 || max(in.Days, in.Before) > 3650 {
		return fmt.Errorf("days %v, before %v: want 0 to 3650", in.Days, in.Before)
	}
	const day = float64(24 * time.Hour)
	in.From = s.Now().Add(-time.Duration(in.Before * day))
	in.To = in.From.Add(time.Duration(in.Days * day))
	visits, err := s.Shop(ctx, in.Shopping)
	out := json.NewEncoder(w)
	for i := range visits {
		if err := out.Encode(&visits[i]); err != nil {
			return err
		}
	}
	return err
}

// writeVersions writes {"at":…,"order":…,"change":…,"events":[…],"object":…} lines.
func writeVersions(w http.ResponseWriter, versions []Version) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	for _, v := range versions {
		err := out.Encode(struct {
			At     int64           `json:"at"`
			Order  uint64          `json:"order"`
			Change Change          `json:"change"`
			Events []string        `json:"events"`
			Object json.RawMessage `json:"object"`
		}{v.At, v.Order, v.Change, append([]string{}, v.Events...), v.JSON})
		if err != nil {
			return err
		}
	}
	return nil
}

// writeTruth writes {"id":…,"created":…,"verbatim":…,"listed":…,"object":…} lines.
func writeTruth(w http.ResponseWriter, objects iter.Seq[Truth]) error {
	w.Header().Set("Content-Type", "application/x-ndjson")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a million objects take their time
	out := json.NewEncoder(w)
	for t := range objects {
		err := out.Encode(struct {
			ID       string          `json:"id"`
			Created  int64           `json:"created"`
			Verbatim bool            `json:"verbatim"`
			Listed   bool            `json:"listed"`
			Object   json.RawMessage `json:"object"`
		}{t.ID, t.Created, t.Verbatim, t.Listed, t.JSON})
		if err != nil {
			return err
		}
	}
	return nil
}
