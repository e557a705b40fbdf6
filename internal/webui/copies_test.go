package webui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// spoil puts a charge into the account that can't be a row.
func (w *world) spoil(id string) {
	w.t.Helper()
	var oldest stripesim.Truth
	for oldest = range w.sim.Oracle(stripesim.Charges) {
		break
	}
	var v map[string]any
	if err := json.Unmarshal(oldest.JSON, &v); err != nil {
		w.t.Fatal(err)
	}
	v["id"], v["amount"], v["created"] = id, "12 <gold>", w.sim.Now().Unix()-100
	text, err := json.Marshal(v)
	if err == nil {
		err = w.sim.Put(stripesim.Charges, text)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// compared waits until the comparison of a copy is over, and returns its state.
func (w *world) compared(name string) string {
	w.t.Helper()
	for range 3000 {
		v := w.api("GET", "/data/tributary/copies/"+name+"/reconcile", nil).(map[string]any)
		if s := v["state"].(string); s == "complete" || s == "failed" {
			return s
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("the comparison does not end")
	return ""
}

// A copy's pages: what it has, its quarantine, and its comparison with the account.
func TestCopies(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	if body := v.page("/ui/copies"); !strings.Contains(body, "There is no copy yet") {
		t.Errorf("before there is one: %s", body)
	}
	w.sim.SetNovelty(true)
	if _, err := w.sim.Create(stripesim.Charges, stripesim.Draft{}); err != nil {
		t.Fatal(err)
	}
	for i := range 27 {
		w.spoil(fmt.Sprintf("ch_bad_%02d", i))
	}
	w.ended(v.scheduled(url.Values{"frequency": {"once"}}))
	account, _ := w.sim.Account()
	path := "/ui/copies/" + account + "-test"
	if body := v.page("/ui/copies"); !strings.Contains(body, `href="`+path+`">Shop</a>`) || !strings.Contains(body, `<span class="badge warning">27</span>`) {
		t.Errorf("the list: %s", body)
	}
	body := v.page(path)
	for _, text := range []string{"<code>ch_bad_00</code>", "<code>amount</code>", "is a string", "12 \\u003cgold\\u003e", "Unknown field", ">Complete<", "was not compared with Stripe yet", "Compare with Stripe"} {
		if !strings.Contains(body, text) {
			t.Errorf("the copy lacks %q: %s", text, body)
		}
	}
	if strings.Contains(body, "ch_bad_26") || strings.Contains(body, "Accept deletions") || strings.Contains(body, "every 2s") {
		t.Errorf("the copy has too much: %s", body)
	}
	_, rest, _ := strings.Cut(body, `rel="next" href="`)
	next, _, _ := strings.Cut(rest, "#")
	if body := v.page(path + strings.ReplaceAll(next, "&amp;", "&")); !strings.Contains(body, "ch_bad_26") || strings.Contains(body, "ch_bad_00") || !strings.Contains(body, "First page") {
		t.Errorf("the second page: %s", body)
	}
	if body := v.page(path + "?resource=charges"); !strings.Contains(body, "ch_bad_00") {
		t.Errorf("of charges: %s", body)
	}
	if _, _, body := v.get(path+"/budget", "HX-Request", "true"); !strings.Contains(body, "of 10,000 reads used in 30 days") || strings.Contains(body, "<html") {
		t.Errorf("the budget: %s", body)
	}
	at, _, _ := strings.Cut(v.must(path+"/replay", url.Values{"resource": {"charges"}}), "#")
	if body := v.page(at); !strings.Contains(body, "Tried again. In the copy now: 0. Older than what is there, and dropped: 0. Left: 27.") {
		t.Errorf("tried again: %s", body)
	}
	if status, _, _ := v.get("/ui/copies/acct_none-test"); status != http.StatusNotFound {
		t.Errorf("no copy: %d", status)
	}

	id, secret := w.integration(access.ViewSources)
	viewer := w.signedIn(id, secret)
	if body := viewer.page(path); strings.Contains(body, "gold") || strings.Contains(body, "Try again<") || strings.Contains(body, "/reconcile\"") {
		t.Errorf("with View Sources alone: %s", body)
	}
	for _, do := range []string{"/replay", "/reconcile"} {
		if status, _, _ := viewer.post(path+do, nil); status != http.StatusForbidden {
			t.Errorf("%s with View Sources alone: %d", do, status)
		}
	}
}

// Deletions that the guard stopped are to be accepted, and only these.
func TestCopyCompared(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	w.ended(v.scheduled(url.Values{"frequency": {"once"}}))
	account, _ := w.sim.Account()
	name := account + "-test"
	path := "/ui/copies/" + name
	w.sim.Advance(time.Hour)
	v.must(path+"/reconcile", nil)
	if state := w.compared(name); state != "complete" {
		t.Fatalf("the comparison: %s", state)
	}
	body := v.page(path)
	for _, text := range []string{`<span class="badge positive">Equal</span>`, "<td class=\"num\">150</td><td class=\"num\">150</td>", "Sums by currency", "Compare with Stripe"} {
		if !strings.Contains(body, text) {
			t.Errorf("the proof lacks %q: %s", text, body)
		}
	}
	if strings.Contains(body, "Accept deletions") || strings.Contains(body, "Differs") {
		t.Errorf("nothing is to be accepted: %s", body)
	}
	w.sim.Wipe()
	w.sim.Advance(time.Hour)
	v.must(path+"/reconcile", nil)
	w.compared(name)
	if body := v.page(path); !strings.Contains(body, "Accept deletions") {
		t.Fatalf("the guard: %s", body)
	}
	_, h, body := v.get(path+"/reconcile", "HX-Request", "true", "X-By-Itself", "1")
	if !strings.Contains(h.Get("HX-Trigger"), "comparison with Stripe") || !strings.Contains(body, "Accept deletions") || strings.Contains(body, "every 2s") || strings.Contains(body, "<html") {
		t.Errorf("what is asked for while it goes on: %v %s", h, body)
	}
	v.must(path+"/reconcile", url.Values{"accept": {"deletes"}})
	if state := w.compared(name); state != "complete" {
		t.Errorf("accepted: %s", state)
	}
	if body := v.page(path); strings.Contains(body, "Accept deletions") {
		t.Errorf("accepted: %s", body)
	}
}
