package stripesim

import (
	"bytes"
	"encoding/json"
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
//	GET  /sim/stats, /sim/log      Stats and the log, as JSON
//	POST /sim/reset                sets both to zero
//	POST /sim/do                   takes the Step in the body
//	POST /sim/plan                 replaces the Plan by the body
//	POST /sim/put/<resource>       places the object in the body, see Put
//
// Its errors are plain text.
func (s *Sim) control(w http.ResponseWriter, r *http.Request) {
	what, resource, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/sim/"), "/")
	if s.shelves[Resource(resource)] == nil && resource != "" {
		http.Error(w, "unknown resource", http.StatusNotFound)
		return
	}
	w.Header().Set("Date", s.clock.now().Format(http.TimeFormat))
	var err error
	switch r.Method + " " + what {
	case "GET oracle":
		err = writeTruth(w, s.Oracle(Resource(resource)))
	case "GET deleted":
		err = writeTruth(w, s.Deleted(Resource(resource)))
	case "GET inline":
		err = writeTruth(w, s.InlinePrices())
	case "GET stats":
		err = json.NewEncoder(w).Encode(s.Stats())
	case "GET log":
		err = json.NewEncoder(w).Encode(s.Log())
	case "POST reset":
		s.ResetStats()
	case "POST do":
		var step Step
		if err = json.NewDecoder(r.Body).Decode(&step); err == nil {
			err = s.Do(step)
		}
	case "POST plan":
		var p Plan
		if err = json.NewDecoder(r.Body).Decode(&p); err == nil {
			err = s.SetPlan(p)
		}
	case "POST put":
		var raw bytes.Buffer
		if _, err = raw.ReadFrom(http.MaxBytesReader(w, r.Body, 64<<20)); err == nil {
			err = s.Put(Resource(resource), raw.Bytes())
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
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
