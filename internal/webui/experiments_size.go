package webui

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/number"

	"github.com/tributary-data/tributary/internal/access"
)

// sizeRoutes adds how large an experiment has to be.
func sizeRoutes(m *routes) {
	m.get("/experiments/size", access.AnyOf(access.ViewDatasets, access.ManageDatasets), (*request).showSize)
}

// measureParams are what a plan and an experiment have in common, as pages name it.
var measureParams = []string{"metric", "currency", "items", "days", "before", "unit"}

// sizeView is the page: what is to be found, and what that takes.
type sizeView struct {
	Metrics []metricTitle
	Copies  []string
	Fields  map[string]string // as they were typed
	Faults  formFaults
	Need    *needReport
}

// neededSize and the rest are what the API says.
type neededSize struct {
	Units   int64    `json:"units"`
	Variant int64    `json:"variantUnits"`
	Days    int      `json:"days"`
	Weeks   int      `json:"weeks"`
	Effect  *float64 `json:"effect"`
	Lift    *float64 `json:"lift"`
}

type neededSizes struct {
	Baseline struct {
		Kind      string   `json:"kind"`
		Value     *float64 `json:"value"`
		SD        *float64 `json:"sd"`
		Units     int64    `json:"units"`
		PerDay    float64  `json:"unitsPerDay"`
		From      string   `json:"from"`
		To        string   `json:"to"`
		Explained float64  `json:"explained"`
		Queries   []struct {
			Definition string `json:"definition"`
			SQL        string `json:"sql"`
		} `json:"queries"`
	} `json:"baseline"`
	Alpha  float64      `json:"alpha"`
	Power  float64      `json:"power"`
	Once   neededSize   `json:"once"`
	Always neededSize   `json:"always"`
	Plain  neededSize   `json:"plain"`
	Reach  []neededSize `json:"reach"`
}

// needReport is what the page shows of it.
type needReport struct {
	Answer       *neededSizes
	Value, SD    string
	PerDay       string
	Rows, Reach  []needRow
	Experiment   string // where an experiment of this size is made
	Power, Alpha float64
}

// A needRow is one way to look, or what so many weeks are enough for.
type needRow struct {
	Title                string
	Units, Variant       int64
	Days                 int
	Lift, Effect, Within string
}

// sizeFields are the fields of the form, with what stands there at first.
var sizeFields = map[string]string{
	"metric": "revenue", "currency": "", "items": "", "days": "14", "before": "30", "unit": "", "lift": "5", "share": "50", "part": "100", "last": "28", "unitsPerDay": "", "copy": "",
}

func (r *request) showSize() error {
	v := sizeView{Metrics: metricTitles, Fields: map[string]string{}}
	given := r.http.URL.Query()
	for name, usual := range sizeFields {
		if v.Fields[name] = usual; given.Has(name) {
			v.Fields[name] = r.query(name)
		}
	}
	var got struct {
		Copies []string `json:"copies"`
	}
	if err := r.get("/data/tributary/reports/copies", nil, &got); err != nil {
		return err
	}
	v.Copies = got.Copies
	if len(v.Copies) == 0 || !given.Has("lift") { // an experiment's page leads here with its measure
		return r.show("experiment_size", v)
	}
	v.Fields["copy"] = cmp.Or(v.Fields["copy"], v.Copies[0])
	asked := r.readSize(&v)
	if len(v.Faults) == 0 {
		var need neededSizes
		err := r.get(analysisAPI+"/power", asked, &need)
		if err == nil {
			v.Need = r.needReport(&need, &v)
			return r.show("experiment_size", v)
		}
		fault := r.fault(err)
		name, _, _ := strings.Cut(strings.TrimPrefix(fault.Text, "measure."), ":")
		if _, known := sizeFields[name]; known {
			fault.Field = name
		}
		v.Faults = append(v.Faults, fault)
	}
	return r.again("experiment_size", "main", v)
}

// readSize returns what the API is asked.
func (r *request) readSize(v *sizeView) url.Values {
	asked := url.Values{}
	for name, text := range v.Fields {
		if text != "" {
			asked.Set(name, text)
		}
	}
	for _, name := range []string{"lift", "share", "part"} {
		f, err := strconv.ParseFloat(v.Fields[name], 64)
		if err != nil {
			v.Faults.add(name, r.t("A number is expected, such as 2 or 80.50."))
		}
		asked.Set(name, strconv.FormatFloat(f/100, 'g', -1, 64))
	}
	if v.Fields["currency"] == "" {
		v.Faults.add("currency", r.t("Say whose charges count: the currency, such as eur."))
	}
	return asked
}

func (r *request) needReport(n *neededSizes, v *sizeView) *needReport {
	kind, currency := n.Baseline.Kind, v.Fields["currency"]
	p := r.print()
	out := &needReport{Answer: n, Value: r.quantity(kind, currency, n.Baseline.Value), SD: r.quantity(kind, currency, n.Baseline.SD), PerDay: p.Sprint(number.Decimal(n.Baseline.PerDay, number.Scale(1)))}
	row := func(title string, s neededSize) needRow {
		effect := r.quantity(kind, currency, s.Effect)
		if kind == "share" && s.Effect != nil {
			effect = r.t("%s percentage points", p.Sprint(number.Decimal(*s.Effect*100, number.Scale(2))))
		}
		return needRow{Title: title, Units: s.Units, Variant: s.Variant, Days: s.Days, Lift: r.signedOr(s.Lift), Effect: effect}
	}
	out.Rows = []needRow{
		row(r.t("Looking whenever one likes"), n.Always), row(r.t("One look, at the end"), n.Once), row(r.t("One look, without what units did before"), n.Plain),
	}
	for _, s := range n.Reach {
		out.Reach = append(out.Reach, row(r.tn(s.Weeks, "%d week", "%d weeks"), s))
	}
	to := url.Values{"planned": {strconv.FormatInt(n.Always.Units, 10)}}
	for _, name := range measureParams {
		if v.Fields[name] != "" {
			to.Set(name, v.Fields[name])
		}
	}
	out.Experiment = Base + "/experiments/new?" + to.Encode()
	return out
}

// planned fills a new experiment with what it was planned by.
func (r *request) planned(t trial) trial {
	whole := func(name string, usual int64) int64 {
		if n, err := strconv.ParseInt(r.query(name), 10, 32); err == nil && n >= 0 {
			return n
		}
		return usual
	}
	m := &t.Measure
	m.Metric, m.Currency, m.Items = cmp.Or(r.query("metric"), m.Metric), r.query("currency"), r.query("items")
	m.Days, m.Before, m.Planned = int(whole("days", int64(m.Days))), int(whole("before", int64(m.Before))), whole("planned", 0)
	t.Unit.Metadata = r.query("unit")
	return t
}

// SizePath is where an experiment like this one is planned. A template writes a whole
// address as it is, and parts of one escaped.
func (t trial) SizePath() string {
	q := url.Values{"metric": {t.Measure.Metric}, "currency": {t.Measure.Currency}, "days": {strconv.Itoa(t.Measure.Days)}, "before": {strconv.Itoa(t.Measure.Before)}}
	if t.Measure.Items != "" {
		q.Set("items", t.Measure.Items)
	}
	if t.Unit.Metadata != "" {
		q.Set("unit", t.Unit.Metadata)
	}
	if len(t.Variants) > 1 { // the control and the least of the others, which need the most time
		control, least := t.Variants[0].Weight, slices.MinFunc(t.Variants[1:], func(a, b variantRow) int { return a.Weight - b.Weight }).Weight
		if both := float64(control + least); least > 0 {
			q.Set("share", strconv.FormatFloat(100*float64(least)/both, 'f', -1, 64))
			q.Set("part", strconv.FormatFloat(100*both/slots*float64(t.Range.To-t.Range.From)/slots, 'f', -1, 64))
		}
	}
	return Base + "/experiments/size?" + q.Encode()
}
