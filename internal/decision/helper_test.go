package decision_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/openapitest"
	"github.com/tributary-data/tributary/internal/trial"
)

var shop = gatewaytest.Admin("prod")

// A process decides by a directory and a database, beside others.
type process struct {
	*decision.Service
	t         *testing.T
	db        *docstore.DB
	exposures *exposure.Log
	log       *logtest.Buffer
	url       string
	protocol  *openapitest.Document // which all answers to ask are held against
	stop      func()
	forgotten atomic.Pointer[string] // of whom nothing may be kept
}

// begin starts one. SQLite's file lies in the directory where no other database is
// named.
func begin(t *testing.T, dir, database string) *process {
	t.Helper()
	if database == "" {
		database = filepath.Join(dir, "control.db")
	}
	p := &process{t: t, db: docstoretest.Open(t, database), log: &logtest.Buffer{}, protocol: openapitest.Load(t, "ofrep")}
	log := slog.New(slog.NewTextHandler(p.log, nil))
	p.exposures = &exposure.Log{Dir: filepath.Join(dir, exposure.Folder), Now: time.Now, Log: log}
	p.Service = &decision.Service{Trials: &trial.Service{DB: p.db, Now: time.Now, Recommends: true}, Exposures: p.exposures, Now: time.Now, Log: log}
	p.Forgotten = func(context.Context, string, string) (func(string) bool, error) {
		who := p.forgotten.Load()
		if who == nil {
			return nil, nil //nolint:nilnil // nobody
		}
		return func(id string) bool { return id == *who }, nil
	}
	p.Trials.Changed = p.Changed
	p.Trials.HasAudience = func(context.Context, access.Caller, string) (bool, error) { return true, nil }
	p.Trials.HasOffer = p.Trials.HasAudience
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Follow(ctx); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewServer(p.Handler())
	p.url = srv.URL
	p.stop = sync.OnceFunc(func() {
		srv.Close()
		cancel()
		wg.Wait()
		if err := p.exposures.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *process) key(origins ...string) string {
	p.t.Helper()
	return p.keyOf(trial.Key{Origins: origins})
}

func (p *process) keyOf(k trial.Key) string {
	p.t.Helper()
	k.Name = "The shop"
	_, secret, err := p.Trials.CreateKey(p.t.Context(), shop, k)
	if err != nil {
		p.t.Fatal(err)
	}
	return secret
}

// cart is an experiment of two variants, of which the control has no value.
func cart(key string, change ...func(*experiment.Experiment)) experiment.Experiment {
	e := experiment.Experiment{
		Key: key, Name: "An add-on before checkout",
		Variants: []experiment.Variant{{Key: "none", Weight: 5000}, {Key: "wrap", Weight: 5000, Value: json.RawMessage(`{"show":true,"text":"<b>"}`)}},
		Measure:  experiment.Measure{Metric: experiment.Revenue, Currency: "eur", Days: 14, Before: 30},
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func (p *process) create(e experiment.Experiment) string {
	p.t.Helper()
	k, err := p.Trials.Create(p.t.Context(), shop, e)
	if err != nil {
		p.t.Fatal(err)
	}
	return k.ID.String()
}

func (p *process) run(e experiment.Experiment) string {
	p.t.Helper()
	id := p.create(e)
	p.done(p.Trials.Start(p.t.Context(), shop, id, whatever))
	return id
}

func whatever(trial.Experiment) error { return nil }

func (p *process) done(_ trial.Experiment, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

type object = map[string]any

// A reply is what was answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask asks for decisions; path is a flag's key with a slash before it, "" for all
// flags, and perhaps a query.
func (p *process) ask(secret, path string, body any, header ...string) reply {
	p.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		text = string(b)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+"/ofrep/v1/evaluate/flags"+path, strings.NewReader(text))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	path, _, _ = strings.Cut(path, "?")
	if path != "" && !strings.Contains(path[1:], "/") {
		path = "/{key}"
	}
	if strings.Count(path, "/") < 2 { // else there is no such path
		if err := p.protocol.Check(http.MethodPost, "/ofrep/v1/evaluate/flags"+path, resp.StatusCode, b); err != nil {
			p.t.Errorf("%v: %s", err, b)
		}
	}
	return reply{resp.StatusCode, resp.Header, string(bytes.TrimSpace(b))}
}

// unit is a context with nothing but a targeting key.
func unit(id string) object { return object{"context": object{"targetingKey": id}} }

// A decided flag is what a client sees of a decision.
type decided struct {
	Key, Reason, Variant string
	Value                json.RawMessage
	Metadata             struct {
		Experiment, Because, Withheld string
		Phase                         int
	}
}

func (p *process) decide(secret, key string, body any) decided {
	p.t.Helper()
	r := p.ask(secret, "/"+key, body)
	var d decided
	if err := json.Unmarshal([]byte(r.body), &d); r.status != 200 || err != nil {
		p.t.Fatalf("%s: %d %s", key, r.status, r.body)
	}
	return d
}

// exposed returns what is kept, by unit, and fails for what is there twice.
func (p *process) exposed(experiment string) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for e, err := range exposure.All(p.t.Context(), p.exposures.Dir, shop.Sandbox.ID) {
		if err != nil {
			p.t.Fatal(err)
		}
		if e.Experiment.String() != experiment {
			continue
		}
		if _, twice := all[e.Unit]; twice {
			p.t.Errorf("unit %s was exposed twice", e.Unit)
		}
		all[e.Unit] = e.Variant
	}
	return all
}

// until waits for a condition; a test that waits in vain fails.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func noHoldout(trial.Holdout) error { return nil }
