package stripesim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestControl(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "/sim/"+path, strings.NewReader(body)))
		return w
	}
	lines := func(path string) int {
		w := ask(http.MethodGet, path, "")
		n := 0
		scan := bufio.NewScanner(bytes.NewReader(w.Body.Bytes()))
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			var line struct {
				ID     string
				Object struct{ ID string }
			}
			if err := json.Unmarshal(scan.Bytes(), &line); err != nil || line.ID == "" || line.Object.ID != line.ID {
				t.Fatalf("%s: %v %s", path, err, scan.Text())
			}
			n++
		}
		return n
	}
	if got := lines("oracle/charges"); got != 600 {
		t.Errorf("%d charges", got)
	}
	if got := lines("inline"); got == 0 {
		t.Error("no inline prices")
	}
	if w := ask(http.MethodPost, "do", `{"do":"insert","resource":"charges","count":2}`); w.Code != 200 || lines("oracle/charges") != 602 {
		t.Errorf("insert: %d %s", w.Code, w.Body)
	}
	if w := ask(http.MethodPost, "put/charges", `{"id":"ch_put"}`); w.Code != 200 || lines("oracle/charges") != 603 {
		t.Errorf("put: %d %s", w.Code, w.Body)
	}
	before := s.Now()
	if w := ask(http.MethodPost, "do", `{"do":"advance","age":"1h"}`); w.Code != 200 || s.Now().Sub(before).Hours() != 1 {
		t.Errorf("advance: %d", w.Code)
	}
	if w := ask(http.MethodPost, "plan", `{"rules":[{"action":"502"}]}`); w.Code != 200 || request(s, "/v1/charges", nil).Code != 502 {
		t.Errorf("plan: %d", w.Code)
	}
	var st Stats
	if err := json.Unmarshal(ask(http.MethodGet, "stats", "").Body.Bytes(), &st); err != nil || st.Requests != 1 || st.ByStatus[502] != 1 {
		t.Errorf("stats %+v %v", st, err)
	}
	ask(http.MethodPost, "reset", "")
	if s.Stats().Requests != 0 {
		t.Error("not reset")
	}
	for path, want := range map[string]int{"oracle/pets": 404, "nothing": 404} {
		if w := ask(http.MethodGet, path, ""); w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := ask(http.MethodPost, "do", `{"do":"sing"}`); w.Code != 400 {
		t.Errorf("bad step: %d", w.Code)
	}
}
