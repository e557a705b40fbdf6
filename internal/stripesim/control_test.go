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
	for _, order := range []struct{ path, body, answer string }{
		{"advance", `{"days": 1.5}`, ""},
		{"live", `{"days": 2, "seed": 3, "rates": {"customer": 2}}`, `{"customer":`},
		{"shop", `{"days": 5, "before": 5, "seed": 3, "rate": 0.1, "paid": 1, "effects": {"a": {"lift": 0.1}}}`, `{"customer":"cus_`},
		{"version", `{"version": "2026-08-26.dahlia"}`, ""},
		{"novelty", `{"on": true}`, ""},
		{"deliver", `{"as": ["genuine"]}`, "[]"},
		{"deliver", "", "[]"},
	} {
		if w := ask(http.MethodPost, order.path, order.body); w.Code != 200 || !strings.HasPrefix(w.Body.String(), order.answer) {
			t.Errorf("%s: %d %s", order.path, w.Code, w.Body)
		}
	}
	if got := s.Now().Sub(before); got.Hours() < 1+36+48 || got.Hours() > 86 {
		t.Errorf("%v went by", got)
	}
	var changed []string
	check(t, json.Unmarshal(ask(http.MethodGet, "changed/customers", "").Body.Bytes(), &changed))
	if len(changed) == 0 {
		t.Fatal("no customer was made in two days")
	}
	var v struct {
		Change string
		Events []string
		Object struct{ ID string }
	}
	w := ask(http.MethodGet, "versions/customers/"+changed[0], "")
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || v.Change != "created" || len(v.Events) != 1 || v.Object.ID != changed[0] {
		t.Errorf("versions: %+v %v", v, err)
	}
	if ask(http.MethodPost, "wipe", ""); s.Count(Charges) != 0 {
		t.Errorf("%d charges after a wipe", s.Count(Charges))
	}
	for path, body := range map[string]string{
		"advance": `{"days": -1}`, "live": `{"rates": {"comets": 1}}`, "shop": `{"rate": -1}`, "version": `{"version": "x"}`, "deliver": `{"as": ["by-pigeon"]}`, "novelty": "",
	} {
		if w := ask(http.MethodPost, path, body); w.Code != 400 {
			t.Errorf("%s %s: %d", path, body, w.Code)
		}
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
