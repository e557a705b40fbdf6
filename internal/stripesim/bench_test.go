package stripesim

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// BenchmarkRender renders charges as a list does, without HTTP.
func BenchmarkRender(b *testing.B) {
	for _, r := range Resources() {
		b.Run(string(r), func(b *testing.B) {
			s := newSim(b, Config{Counts: Counts{Charges: 20000, Customers: 5000, Subscriptions: 2000, Prices: 200}})
			sh := s.shelves[r]
			e := &enc{b: make([]byte, 0, 1<<20)}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				e.b, e.depth = e.b[:0], 2
				s.object(e, sh, object{pos: i % sh.n}, view{})
				b.SetBytes(int64(len(e.b)))
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}

// BenchmarkList serves pages of 100 charges deep inside a million.
func BenchmarkList(b *testing.B) {
	s := newSim(b, Config{Counts: Counts{Charges: 1_000_000, Customers: 100_000}})
	sh := s.shelves[Charges]
	n := 0
	for b.Loop() {
		id := sh.id(object{pos: 100 + n*7919%(sh.n-100)})
		n++
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/v1/charges?limit=100&created[gte]="+
			strconv.FormatInt(s.world.start, 10)+"&starting_after="+id, nil)
		r.Header.Set("Authorization", "Bearer sk_test_x")
		s.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body.String())
		}
	}
	b.ReportMetric(float64(100*n)/b.Elapsed().Seconds(), "objects/s")
}

// BenchmarkNew makes a shop of a million charges.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		newSim(b, Config{Counts: Counts{Charges: 1_000_000, Customers: 100_000, Subscriptions: 10_000, Prices: 500}})
	}
}

// newSim makes an account whose clock stands still.
func newSim(tb testing.TB, cfg Config) *Sim {
	tb.Helper()
	if cfg.End.IsZero() {
		cfg.End = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	}
	cfg.Frozen = true
	s, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
