package webui_test

import (
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// A plan has the numbers of the API, and leads to an experiment of its size.
func TestExperimentSize(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/experiments/size"), "There is no copy of an account yet", `href="/ui/experiments/size" aria-current="page"`)
	w.copied()
	holds(t, v.page("/ui/experiments/size?metric=orders&currency=usd&days=7"), `<option value="orders" selected>`, `value="usd"`, `value="7"`, `name="lift" autocomplete="off" spellcheck="false" value="5"`, "!What it takes")

	plan := func(more url.Values) string {
		q := url.Values{"metric": {"conversion"}, "currency": {"usd"}, "days": {"7"}, "before": {"0"}, "lift": {"-20"}, "share": {"50"}, "last": {"3600"}}
		maps.Copy(q, more)
		return "/ui/experiments/size?" + q.Encode()
	}
	body := v.page(plan(nil))
	need := w.api("GET", "/data/tributary/analysis/power?metric=conversion&currency=usd&days=7&lift=-0.2&share=0.5&last=3600", nil).(map[string]any)
	p := message.NewPrinter(language.English)
	whole := func(v any) int64 {
		n, _ := v.(json.Number)
		i, err := n.Int64()
		if err != nil && n != "" {
			t.Error(err)
		}
		return i
	}
	for _, name := range []string{"once", "always", "plain"} {
		size := need[name].(map[string]any)
		said := "–"
		if days := whole(size["days"]); days > 0 {
			said = p.Sprint(days)
		}
		holds(t, body, fmt.Sprintf(`<td class="num">%s</td><td class="num">%s</td><td class="num">%s</td><td class="num">-20.0%%</td>`, p.Sprint(whole(size["units"])), p.Sprint(whole(size["variantUnits"])), said))
	}
	half := w.api("GET", "/data/tributary/analysis/power?metric=conversion&currency=usd&days=7&lift=-0.2&share=0.5&last=3600&part=0.5", nil).(map[string]any)["once"].(map[string]any)
	if days := whole(half["days"]); days > 0 && days <= whole(need["once"].(map[string]any)["days"]) {
		t.Errorf("half of the units are there in %d days", days)
	} else if days > 0 {
		holds(t, v.page(plan(url.Values{"part": {"50"}})), fmt.Sprintf(`<td class="num">%s</td><td class="num">-20.0%%</td>`, p.Sprint(days)))
	}
	holds(t, body, "percentage points", "What the numbers mean", "Create an experiment of this size")
	to := html.UnescapeString(regexp.MustCompile(`href="(/ui/experiments/new\?[^"]*)"`).FindStringSubmatch(body)[1])
	holds(t, v.page(to), `<option value="conversion" selected>`, `value="usd"`, `name="days" inputmode="numeric" autocomplete="off" value="7"`, fmt.Sprintf(`autocomplete="off" value="%d" aria-describedby="planned-help"`, whole(need["always"].(map[string]any)["units"])), "/ui/experiments/size?")

	for want, wrong := range map[string]url.Values{
		`href="#lift">A number is expected`:  {"lift": {"much"}},
		`href="#part">part: 1.01 is not`:     {"part": {"101"}},
		`href="#currency">Say whose charges`: {"currency": {""}},
		`href="#days">days: a baseline`:      {"days": {"0"}},
		"there is no baseline":               {"currency": {"xof"}},
		"one of lift and effect must be":     {"lift": {"0"}},
	} {
		status, _, body := v.get(plan(wrong))
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", wrong, status)
		}
		holds(t, body, want, "data-error-summary", `<option value="conversion" selected>`)
	}
}
