package stripesim

import (
	"testing"
	"testing/synctest"
	"time"
)

// hammer asks for a path at a steady rate for some time and returns how many
// requests passed and how many were refused.
func hammer(s *Sim, path string, rate, seconds int) (passed, refused int) {
	for range rate * seconds {
		if request(s, path, nil).Code == 200 {
			passed++
		} else {
			refused++
		}
		time.Sleep(time.Second / time.Duration(rate))
	}
	return passed, refused
}

func TestRates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		limits         Limits
		rate           int
		passed, margin int // of 10 seconds
		reason         string
	}{
		{"below", Limits{Global: 100, Endpoint: 25}, 25, 250, 0, ""},
		{"endpoint", Limits{Global: 100, Endpoint: 25}, 50, 250, 8, "endpoint-rate"},
		{"global", Limits{Global: 10}, 40, 100, 4, "global-rate"},
		{"none", Limits{}, 200, 2000, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := small(1)
				cfg.Limits = tt.limits
				s := newSim(t, cfg)
				passed, refused := hammer(s, "/v1/charges?limit=1", tt.rate, 10)
				if passed < tt.passed || passed > tt.passed+tt.margin {
					t.Errorf("%d passed, want %d to %d", passed, tt.passed, tt.passed+tt.margin)
				}
				st := s.Stats()
				if st.Limited != refused || st.Requests != passed+refused || st.ByStatus[200] != passed || st.PerSecond != tt.rate {
					t.Errorf("%d refused; stats %+v", refused, st)
				}
				if tt.reason == "" {
					return
				}
				for {
					if w := request(s, "/v1/charges?limit=1", nil); w.Code == 429 {
						if got := w.Header().Get("Stripe-Rate-Limited-Reason"); got != tt.reason {
							t.Errorf("reason %q", got)
						}
						return
					}
				}
			})
		})
	}
}

// Lists and retrievals are two endpoints; all endpoints share the global limit.
func TestEndpointsAreApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := small(1)
		cfg.Limits = Limits{Global: 100, Endpoint: 4}
		s := newSim(t, cfg)
		id := s.shelves[Charges].id(object{pos: 5})
		for _, path := range []string{"/v1/charges?limit=1", "/v1/charges/" + id, "/v1/refunds?limit=1"} {
			if w := request(s, path, nil); w.Code != 200 {
				t.Errorf("%s: %d", path, w.Code)
			}
			if w := request(s, path, nil); w.Code != 429 {
				t.Errorf("%s again: %d", path, w.Code)
			}
		}
		if st := s.Stats(); len(st.Endpoints) != 3 || st.Endpoints["GET /v1/charges/{id}"].Limited != 1 {
			t.Errorf("stats %+v", st)
		}
		s.ResetStats()
		if st := s.Stats(); st.Requests != 0 || len(s.Log()) != 0 {
			t.Errorf("after the reset: %+v", st)
		}
	})
}

func TestConcurrencyAndLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := small(1)
		cfg.Limits = Limits{EndpointConcurrency: 3}
		cfg.Latency = Latency{Median: 150 * time.Millisecond}
		s := newSim(t, cfg)
		codes := make(chan int, 5)
		began := time.Now()
		for range 5 {
			go func() { codes <- request(s, "/v1/charges?limit=1", nil).Code }()
		}
		count := map[int]int{}
		for range 5 {
			count[<-codes]++
		}
		if count[200] != 3 || count[429] != 2 || time.Since(began) != 150*time.Millisecond {
			t.Errorf("%v after %v", count, time.Since(began))
		}
		if w := request(s, "/v1/charges?limit=1", nil); w.Code != 200 {
			t.Errorf("when the others are done: %d", w.Code)
		}
	})
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Log = 3
	s := newSim(t, cfg)
	for _, path := range []string{"/v1/charges", "/v1/refunds", "/v1/customers", "/v1/prices"} {
		request(s, path, nil)
	}
	got := s.Log()
	if len(got) != 3 || got[0].URI != "/v1/refunds" || got[2].URI != "/v1/prices" || got[2].Status != 200 || got[2].Request == "" {
		t.Errorf("log %+v", got)
	}
}
