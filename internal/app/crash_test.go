package app_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

const childVariable = childtest.Variable

// TestMain runs the process that a test of crashes kills when it is one.
func TestMain(m *testing.M) { childtest.Main(m, life.live) }

// A life is one pass in a process of its own, and where it ends.
type life struct {
	URL, Key, Dir string
	Resources     []string
	BatchRows     int
	End           place
	Nth           int    // time that the place is reached, from 1
	Only          string // the resource whose commits count
	Rules         string // privacy rules to set, instead of a pass
	Forget        string // customer to forget, instead of a pass
}

type place string

// Where a process ends: by itself, or by us.
const (
	between    place = "between the commits"
	atPage     place = "at a page"
	atCall     place = "after a request"
	quarantine place = "once the quarantine is written" // and before the commit
	atRandom   place = "at random"
	early      place = "while starting"
	inReplay   place = "before the commit of a replay"
)

const done = "the pass is done"

// long leaves out in short mode what takes long and does nothing side by side
// that shorter tests do not: scripts/test has the race detector look at the
// short ones, and runs them all without it.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

func (l life) live() {
	if l.End == inReplay {
		l.replay()
		return
	}
	if l.Forget != "" {
		_, err := app.ForgetCustomer(context.Background(), l.Dir, app.ForgetRequest{Customer: l.Forget})
		fmt.Println(done, err)
		return
	}
	if l.Rules != "" {
		_, err := app.SetPrivacy(context.Background(), l.Dir, []byte(l.Rules))
		fmt.Println(done, err)
		return
	}
	key, err := stripe.ParseKey(l.Key)
	if err != nil {
		panic(err)
	}
	s := app.Sync{
		Dir: l.Dir, Key: key, URL: l.URL, Share: 1, Limits: &stripe.Limits{}, Resources: l.Resources,
		BatchRows: l.BatchRows, BatchAge: time.Minute,
	}
	end := nth(int64(l.Nth), childtest.Die)
	switch l.End {
	case between:
		s.Hooks.Between = func(resource string) {
			if resource == l.Only {
				end()
			}
		}
	case atPage:
		s.Hooks.Page = func(string, *extract.Page) { end() }
	case atCall:
		s.Hooks.OnCall = func(stripe.Call) { end() }
	case quarantine:
		go l.watchQuarantine(end)
	case atRandom, early, inReplay:
	}
	report, err := s.Run(context.Background())
	fmt.Println(done, marshal(report), err)
}

func (l life) replay() {
	r := app.Replay{Dir: l.Dir, Between: func(resource string) {
		if resource == l.Only {
			childtest.Die()
		}
	}}
	_, err := r.Run(context.Background())
	fmt.Println(done, err)
}

// watchQuarantine calls end once there is more in quarantine than when the
// process began.
func (l life) watchQuarantine(end func()) {
	first := -1
	for {
		if n := quarantined(l.Dir); first < 0 {
			first = n
		} else if n > first {
			end()
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func quarantined(dir string) (n int) {
	s, err := sqlstore.OpenReadOnly(context.Background(), filepath.Join(dir, "tributary.db"))
	if err != nil {
		return 0
	}
	defer s.Close()
	for _, err := range s.Quarantined(context.Background()) {
		if err != nil {
			return 0
		}
		n++
	}
	return n
}

// A tally stands before an account and counts the objects that it serves.
type tally struct {
	sim *stripesim.Sim

	mu     sync.Mutex
	served map[string]int // by resource, since the life began
	pages  int
	flying int
	met    func() // is called at the first request
	goal   int    // pages
	reach  func() // is called when they are served
}

// begin starts to count anew. The channels are closed at the first request and
// after goal pages.
func (c *tally) begin(goal int) (met, reached <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, last := make(chan struct{}), make(chan struct{})
	c.served, c.pages, c.goal = map[string]int{}, 0, goal
	c.met, c.reach = sync.OnceFunc(func() { close(first) }), sync.OnceFunc(func() { close(last) })
	return first, last
}

// end waits for the answers in hand and returns what was served.
func (c *tally) end() map[string]int {
	for {
		c.mu.Lock()
		if c.flying == 0 {
			defer c.mu.Unlock()
			return c.served
		}
		c.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func (c *tally) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.flying++
	c.met()
	c.mu.Unlock()
	body := &copying{ResponseWriter: w}
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flying--
		c.count(r, body.b.Bytes())
	}()
	c.sim.ServeHTTP(body, r)
}

// count adds the objects of an answer: those of pages, and single ones.
func (c *tally) count(r *http.Request, body []byte) {
	resource, id, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	switch {
	case !slices.Contains(xdm.Resources, resource):
	case id != "":
		c.served[resource]++
	case r.URL.Query().Has("created[lt]"): // not the probe
		var list rawjson.List
		if rawjson.ParseList(body, &list) == nil {
			c.served[resource] += len(list.Items)
		}
		if c.pages++; c.pages == c.goal {
			c.reach()
		}
	}
}

// copying keeps what is written.
type copying struct {
	http.ResponseWriter
	b bytes.Buffer
}

func (c *copying) Write(p []byte) (int, error) {
	c.b.Write(p)
	return c.ResponseWriter.Write(p)
}

func (c *copying) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// A mortal is an account whose copying is killed again and again.
type mortal struct {
	*copied
	tally     *tally
	resources []string
	objects   int // that the copy will hold
	bad       int // that it will not
	long      int // pages of a long life; 0: there are none
	rand      *rand.Rand
	startup   time.Duration // of the last life, until its first request

	last            state
	kills, betweens int
	total           int // objects served
	bounds          int // of all kills: objects that may be served more than once
}

// What a kill may cost for each table (G7): the pages in flight, and those read
// since the table's last commit, of which some wait between the reader and
// the mapper.
const (
	inFlight = 4
	waiting  = 18
	pageRows = 100
)

func (m *mortal) bound() int { return (inFlight+waiting)*pageRows + m.batchRows + m.bad }

// state is what the tables of a copy hold.
type state struct {
	rows   map[string]int // versions in the history, by resource
	all    int
	behind []string // resources whose dataset lacks versions of the history
}

func (m *mortal) state(t *testing.T) state {
	t.Helper()
	s := state{rows: map[string]int{}}
	l, err := lake.OpenReadOnly(t.Context(), m.dir)
	if err != nil {
		return s // none yet: the process did not get far
	}
	defer l.Close()
	for _, r := range m.resources {
		history, err := l.Load(t.Context(), r+"_history")
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.rows[r] = int(history.Rows())
		s.all += s.rows[r]
		data, err := l.Load(t.Context(), r)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			t.Fatal(err)
		}
		if err == nil && s.rows[r] > 0 && data.Property("tributary.applied-seq") != history.Property("tributary.seq") {
			s.behind = append(s.behind, r)
		}
	}
	return s
}

// live runs a pass until it is killed, and says whether it was.
func (m *mortal) live(t *testing.T, end place, n int, only string) bool {
	t.Helper()
	before := m.last
	met, reach := m.tally.begin(n)
	cmd := childtest.Command(t, life{
		URL: m.url, Key: m.sim.Key(), Dir: m.dir, Resources: m.resources, BatchRows: m.batchRows, End: end, Nth: n, Only: only,
	})
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	wait := func(c <-chan struct{}, d time.Duration) {
		var after <-chan time.Time
		if c == nil {
			after = time.After(d)
		}
		select {
		case <-c:
			time.Sleep(d)
		case <-after:
		case err = <-ended:
			ended <- err
		}
	}
	switch end {
	case early:
		wait(nil, time.Duration(m.rand.Int64N(int64(m.startup)*5/4)))
		_ = cmd.Process.Kill()
	case atRandom:
		wait(reach, time.Duration(m.rand.Int64N(int64(40*time.Millisecond))))
		_ = cmd.Process.Kill()
	case between, atPage, atCall, quarantine:
		wait(met, 0)
		m.startup = time.Since(began)
	case inReplay:
	}
	err = <-ended
	served := m.tally.end()
	after := m.state(t)
	m.last = after
	for r, n := range served {
		m.total += n
		if again := n - (after.rows[r] - before.rows[r]); again > m.bound() {
			t.Errorf("killed %s: %d %s were read, %d landed: more than %d will be read again", end, n, r, after.rows[r]-before.rows[r], m.bound())
		}
	}
	switch {
	case bytes.Contains(out.Bytes(), []byte(done)):
		return false
	case !childtest.Killed(err):
		t.Fatalf("the process ended by itself: %v\n%s", err, out.Bytes())
	case end == between && !slices.Contains(after.behind, only):
		t.Errorf("killed between the commits of %s, and both hold the same", only)
	case after.all >= m.objects && len(after.behind) == 0:
		return false // nothing was left to do
	}
	m.kills++
	m.bounds += len(m.resources) * m.bound()
	if end == between {
		m.betweens++
	}
	return true
}

// unread returns a resource of which the copy lacks some, "" for none.
func (m *mortal) unread() string {
	for _, i := range m.rand.Perm(len(m.resources)) {
		r := m.resources[i]
		if m.sim.Count(stripesim.Resource(r)) > m.last.rows[r]+m.bad+2*m.batchRows {
			return r
		}
	}
	return ""
}

// killed runs lives that end at all places in turn, until that many were killed
// or hardly anything is left to do.
func (m *mortal) killed(t *testing.T, lives int) {
	t.Helper()
	ends := []place{between, atRandom, atPage, early, between, atCall, atRandom, quarantine}
	for n := 0; m.kills < lives && (n == 0 || m.unread() != ""); n++ {
		if m.long > 0 && n == 9 {
			m.live(t, atRandom, m.long, "")
			continue
		}
		switch end := ends[n%len(ends)]; end {
		case between:
			if r := m.unread(); r != "" {
				m.live(t, end, 1+m.rand.IntN(2), r)
			}
		case quarantine:
			if quarantined(m.dir) < m.bad {
				m.live(t, end, 1, "")
			}
		case atCall:
			m.live(t, end, 2+m.rand.IntN(12), "")
		case atPage, atRandom:
			m.live(t, end, len(m.resources)+m.rand.IntN(6), "")
		case early:
			m.live(t, end, 0, "")
		}
	}
}

// incarnate begins a new copy.
func (m *mortal) incarnate(t *testing.T) {
	t.Helper()
	m.dir = filepath.Join(t.TempDir(), "copy")
	m.last, m.total, m.bounds = state{}, 0, 0
}

// resurrect copies what is left and compares.
func (m *mortal) resurrect(t *testing.T) {
	t.Helper()
	_, _ = m.tally.begin(0)
	s := m.pass(t)
	s.Resources, s.BatchRows = m.resources, 0
	last, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range m.tally.end() {
		m.total += n
	}
	for _, r := range last.Resources {
		if r.Error != nil {
			t.Errorf("%s: %s", r.Resource, r.Error.Message)
		}
	}
	if most := m.objects + m.bad + m.bounds; m.total > most {
		t.Errorf("%d objects were served, and at most %d may be", m.total, most)
	}
	t.Logf("%d kills, %d objects, %d served", m.kills, m.objects, m.total)
	for _, d := range differences(t.Context(), m.sim, m.dir) {
		if r, _, _ := strings.Cut(d, " "); slices.Contains(m.resources, r) {
			t.Error(d)
		}
	}
	m.history(t)
	m.index(t)
	before := tables(t, m.dir)
	again, err := s.Run(t.Context())
	if err != nil || again.Status != app.Complete {
		t.Fatal(marshal(again), err)
	}
	for _, r := range again.Resources {
		if r.Read > 0 {
			t.Errorf("nothing was left to read: %s", marshal(r))
		}
	}
	if after := tables(t, m.dir); !slices.Equal(before, after) {
		t.Errorf("a pass over an unchanged account made %v of %v", after, before)
	}
}

// history checks that every version stands there once and in order, and that
// the dataset has the last ones.
func (m *mortal) history(t *testing.T) {
	t.Helper()
	r := reader(t, m.dir)
	for _, resource := range m.resources {
		for what, query := range map[string]string{
			"seq stands twice":                    "select seq from lake.%s group by seq having count(*) > 1",
			"a version follows one like it":       "select id from (select id, hash, lag(hash) over (partition by id order by seq) as old from lake.%s) where hash = old",
			"the dataset lags behind the history": "select h.id from (select id, max(seq) as seq from lake.%s where op <> 'seen' group by id) h left join xdm.%[1]s d on d._id = h.id where d._seq is distinct from h.seq",
			"the dataset runs ahead":              "select d._id from xdm.%s d left join lake.%[1]s h on h.seq = d._seq and h.id = d._id and h.op <> 'seen' where h.id is null",
		} {
			if rows := selected(t, r, fmt.Sprintf(query, resource)); len(rows) > 0 {
				t.Errorf("%s: %s: %d times, as %v", resource, what, len(rows), rows[0])
			}
		}
	}
}

// index checks that the index says of every object what the history says.
func (m *mortal) index(t *testing.T) {
	t.Helper()
	x, err := idindex.Open(filepath.Join(m.dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	r := reader(t, m.dir)
	for _, resource := range m.resources {
		want := map[string]string{}
		for _, row := range selected(t, r, "select id, arg_max(hash, seq) as hash, max(seq) as seq, any_value(created) as created from lake."+resource+" where op <> 'seen' group by id") {
			want[row["id"].(string)] = fmt.Sprint(row["hash"], row["seq"], row["created"])
		}
		err := x.Resource(resource).Each(func(id []byte, e idindex.Entry) error {
			if got := fmt.Sprintf("%x%d%d", e.Hash, e.Seq, e.Created); got != want[string(id)] {
				t.Errorf("the index says of %s %s, the history %s", id, got, want[string(id)])
			}
			delete(want, string(id))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(want) > 0 {
			t.Errorf("the index lacks %d %s", len(want), resource)
		}
	}
}

func newMortal(t *testing.T, cfg stripesim.Config, bad int, resources ...string) *mortal {
	t.Helper()
	// Nothing is young, so nothing is read twice because of its age.
	cfg.End = time.Now().Add(-time.Hour)
	cfg.Now = cfg.End.Add(time.Hour)
	cfg.Expand, cfg.Log, cfg.Latency = expansions, -1, stripesim.Latency{Median: 20 * time.Millisecond}
	m := &mortal{resources: resources, bad: bad, rand: rand.New(rand.NewPCG(cfg.Seed, 5)), startup: time.Second}
	m.copied = serve(t, cfg, func(sim *stripesim.Sim) http.Handler {
		m.tally = &tally{sim: sim}
		return m.tally
	})
	var states []string
	for o := range m.sim.Oracle(stripesim.Resource(resources[0])) {
		states = append(states, string(o.JSON))
	}
	for i := range bad {
		o := strings.Replace(states[(2*i+1)*len(states)/(2*bad)], `"object": "`, `"object": "not a `, 1)
		if !strings.Contains(o, "not a ") {
			t.Fatalf("not spoilt: %s", o)
		}
		if err := m.sim.Put(stripesim.Resource(resources[0]), []byte(o)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range resources {
		m.objects += m.sim.Count(stripesim.Resource(r))
	}
	if slices.Contains(resources, "subscriptions") && slices.Contains(resources, "prices") {
		for range m.sim.InlinePrices() {
			m.objects++
		}
	}
	m.objects -= bad
	return m
}

// A copy that is killed a hundred times is as good as any.
func TestKill(t *testing.T) {
	t.Parallel()
	var kills, betweens atomic.Int64
	t.Run("accounts", func(t *testing.T) {
		for _, tt := range []struct {
			name      string
			resources []string
			counts    stripesim.Counts
			lives     int
			long      int
		}{
			{"all", xdm.Resources, stripesim.Counts{Charges: 5000, Customers: 1500, Subscriptions: 400, Prices: 100}, 14, 0},
			// Tables of few columns, so that the process gets far in a long life.
			{"money", []string{"refunds", "balance_transactions"}, stripesim.Counts{Charges: 12000, Customers: 500}, 68, 55},
			{"shop", []string{"subscriptions", "prices", "customers"}, stripesim.Counts{Customers: 5000, Subscriptions: 1000, Prices: 300}, 20, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				m := newMortal(t, stripesim.Config{Seed: uint64(tt.lives), Counts: tt.counts}, 12, tt.resources...)
				m.batchRows, m.long = 100, tt.long
				lives := tt.lives
				if testing.Short() {
					lives = 4
				}
				for m.kills < lives && !t.Failed() { // more than once where the machine is fast
					m.incarnate(t)
					m.killed(t, lives)
					m.resurrect(t)
				}
				kills.Add(int64(m.kills))
				betweens.Add(int64(m.betweens))
			})
		}
	})
	if !t.Failed() && !testing.Short() && (kills.Load() < 100 || betweens.Load() < 10) {
		t.Errorf("%d kills, %d of them between the commits, want 100 and 10", kills.Load(), betweens.Load())
	}
}
