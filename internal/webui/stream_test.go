package webui_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// An event is one that a page is sent.
type event struct{ name, data string }

// listen opens a stream and returns what it sends; the channel is closed with it.
func (v *visitor) listen(path string) (events <-chan event, leave func()) {
	t := v.world.t
	t.Helper()
	ctx, leave := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(leave)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.world.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("%s: %d %s", path, resp.StatusCode, got)
	}
	out := make(chan event, 100)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		var e event
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "event":
				e.name = value
			case "data":
				e.data += value + "\n"
			case "":
				if e.name != "" {
					out <- e
				}
				e = event{}
			}
		}
	}()
	return out, leave
}

// until reads events up to one whose name and text are such; "" ends when the stream
// does.
func until(t *testing.T, events <-chan event, name, text string) (heard []event) {
	t.Helper()
	for e := range events {
		heard = append(heard, e)
		if e.name == name && strings.Contains(e.data, text) {
			return heard
		}
	}
	if name != "" {
		t.Fatalf("no event %s with %q; there were %v", name, text, heard)
	}
	return heard
}

// Pages of a run under way are told how far it is, and when it has ended; not any
// longer, and only those who are signed in.
func TestLive(t *testing.T) {
	t.Parallel()
	w := raced(t)
	v := w.signedIn(w.id, w.secret)
	release := w.shut()
	id := v.scheduled(url.Values{"frequency": {"hour"}, "interval": {"3"}, "backfill": {"on"}})
	page := "/ui/dataflows/" + id
	dashboard, leave := v.listen("/ui/monitoring/live")
	until(t, dashboard, "open-runs", ">100<") // the first page of charges
	body := v.page(page)
	if !strings.Contains(body, `data-sse="`+page+`/live?days=7`) || !strings.Contains(body, "Processing") {
		t.Errorf("the page of a dataflow at work: %s", body)
	}
	run := items(w.api("GET", "/data/foundation/flowservice/runs?property=flowId=="+id, nil))[0]["id"].(string)
	if body := v.page(page + "/runs/" + run); !strings.Contains(body, "The run is in progress") || !strings.Contains(body, `data-sse="`+page+"/runs/"+run+"/live") {
		t.Errorf("the page of a run at work: %s", body)
	}
	ofFlow, _ := v.listen(page + "/live?days=7")
	ofRun, _ := v.listen(page + "/runs/" + run + "/live")
	until(t, ofFlow, "activity", ">100<")
	until(t, ofRun, "overview", ">100<")

	// Who signs out hears no more, while the others go on.
	other := w.signedIn(w.integration(access.ViewSources))
	theirs, _ := other.listen(page + "/live")
	if heard := until(t, theirs, "activity", ""); strings.Contains(heard[0].data, "<form") {
		t.Errorf("who may only look is sent %v", heard[0])
	}
	other.must("/ui/signout", nil)
	if heard := until(t, theirs, "", ""); heard[len(heard)-1].name != "done" {
		t.Errorf("after signing out: %v", heard)
	}
	if status, h, _ := other.get(page + "/live"); status != http.StatusSeeOther {
		t.Errorf("without a session: %d %v", status, h)
	}

	release()
	heard := until(t, ofFlow, "done", "")
	last := map[string]string{}
	for _, e := range heard {
		last[e.name] = e.data
	}
	if !strings.Contains(last["activity"], ">150<") || !strings.Contains(last["flow-status"], "Success") || !strings.Contains(last["flow-charts"], "<svg") {
		t.Errorf("in the end the page has %v", last)
	}
	if heard := until(t, ofRun, "overview", "Success"); !strings.Contains(heard[len(heard)-1].data, ">150<") {
		t.Errorf("in the end the page of the run has %v", heard)
	}
	until(t, ofRun, "done", "")
	until(t, dashboard, "open-runs", "No run is in progress")
	leave()
	until(t, dashboard, "", "")
	for path, want := range map[string]int{"/ui/dataflows/none/live": http.StatusNotFound, page + "/runs/none/live": http.StatusNotFound} {
		if status, _, _ := v.get(path); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

// A stream ends with the server, and not with the last event of it: so browsers ask
// the next server.
func TestLiveEnds(t *testing.T) {
	t.Parallel()
	w := raced(t)
	events, _ := w.signedIn(w.id, w.secret).listen("/ui/monitoring/live")
	until(t, events, "open-runs", "")
	rest := make(chan []event)
	go func() {
		var heard []event
		for e := range events {
			heard = append(heard, e)
		}
		rest <- heard
	}()
	w.end()
	select {
	case heard := <-rest:
		if len(heard) > 0 && heard[len(heard)-1].name == "done" {
			t.Errorf("the page is told that nothing follows: %v", heard)
		}
	case <-time.After(40 * time.Second): // before listen gives up
		t.Error("the stream goes on while the server ends")
	}
}
