package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A condition is a row of the form; its values are as they were written.
type condition struct {
	N    int    // its number in the form
	Kind string // charges, customer or subscription
	Not  bool

	State, Methods, Currency, Countries, Within    string
	Classes                                        []string
	CountOp, Count, SumOp, Sum, AverageOp, Average string
	CreatedWithin, CreatedBefore, Key, Values      string
	Statuses, Prices                               string
}

// HasClass says whether a class is ticked.
func (c condition) HasClass(name string) bool { return slices.Contains(c.Classes, name) }

// Name is what a control of the condition is called.
func (c condition) Name(of string) string { return fmt.Sprintf("c%d.%s", c.N, of) }

// An amountField is a number with a way to compare, of charges.
type amountField struct{ Name, OpName, ID, Title, Op, Value, Error string }

// audienceForm is the page to make or change an audience.
type audienceForm struct {
	ID          string // empty for a new one
	Name        string
	Description string
	Copy        string
	Copies      []string // to choose from; none where there is one at most
	Etag        string
	Text        bool // the predicate is written as JSON
	JSON        string
	Match       string // all, any
	Conditions  []condition
	Faults      formFaults
	Preview     *audiencePreview
	Fault       string // why there is no preview
}

// States, Classes and Ops are to choose from.
func (audienceForm) States() []alertKind {
	var all []alertKind
	for _, s := range []string{"paid", "attempted", "failed", "refunded", "disputed"} {
		all = append(all, alertKind{s, chargeWords[s]})
	}
	return all
}

// Classes of methods.
func (audienceForm) Classes() []alertKind {
	var all []alertKind
	for _, s := range []string{"bnpl", "card", "other", "bnpl_unknown"} {
		all = append(all, alertKind{s, classWords[s]})
	}
	return all
}

// Ops are ways to compare.
func (audienceForm) Ops() []alertKind {
	return []alertKind{{"atLeast", "at least"}, {"atMost", "at most"}, {"above", "above"}, {"below", "below"}}
}

var _ = words("at least", "at most", "above", "below", "Number", "Sum", "Average")

// Amounts are the numbers of a condition on charges.
func (f audienceForm) Amounts(c condition) []amountField {
	all := []amountField{
		{Name: c.Name("count"), Title: "Number", Op: c.CountOp, Value: c.Count},
		{Name: c.Name("sum"), Title: "Sum", Op: c.SumOp, Value: c.Sum},
		{Name: c.Name("average"), Title: "Average", Op: c.AverageOp, Value: c.Average},
	}
	for i := range all {
		all[i].OpName, all[i].Error = all[i].Name+"-op", f.Faults.Of(all[i].Name)
	}
	return all
}

func (r *request) audienceForm() (*audienceForm, error) {
	f := &audienceForm{Match: "all", Conditions: []condition{{Kind: "charges", State: "paid", CountOp: "atLeast", Count: "1"}}}
	var got struct {
		Copies []string `json:"copies"`
	}
	if err := r.get("/data/tributary/reports/copies", nil, &got); err != nil {
		return nil, err
	}
	if len(got.Copies) > 1 {
		f.Copies = got.Copies
	}
	return f, nil
}

func (r *request) showNewAudience() error {
	f, err := r.audienceForm()
	if err != nil {
		return err
	}
	f.Text = r.query("mode") == "json"
	f.write(predicate{All: []predicate{{Charges: &chargesCondition{Methods: []string{"klarna"}, Within: 90, Count: boundsOf("atLeast", 2)}}}}, !f.Text)
	return r.show("audience_form", f)
}

func (r *request) showEditAudience() error {
	f, err := r.audienceForm()
	if err != nil {
		return err
	}
	got, err := r.ask(call{Path: r.audiencePath()})
	if err != nil {
		return err
	}
	var a audience
	if err := json.Unmarshal(got.Body.Bytes(), &a); err != nil {
		return err
	}
	f.ID, f.Name, f.Description, f.Copy, f.Etag = a.ID, a.Name, a.Description, a.Copy, got.Header().Get("Etag")
	f.write(a.Predicate, r.query("mode") != "json")
	return r.show("audience_form", f)
}

// write puts a predicate into the form: as conditions where it has their form and
// that is wanted.
func (f *audienceForm) write(p predicate, flat bool) {
	text, _ := json.MarshalIndent(p, "", "  ")
	f.JSON = string(text)
	list := p.All
	f.Match = "all"
	if p.Any != nil {
		f.Match, list = "any", p.Any
	}
	if p.All == nil && p.Any == nil {
		list = []predicate{p}
	}
	var all []condition
	for i, q := range list {
		c, ok := conditionOf(q)
		flat = flat && ok
		c.N = i
		all = append(all, c)
	}
	if f.Text = !flat; flat {
		f.Conditions = all
	}
}

// conditionOf returns a condition as the form has it, if it can.
func conditionOf(p predicate) (c condition, ok bool) {
	if p.Not != nil {
		p, c.Not = *p.Not, true
	}
	single := true
	write := func(b *bounds, op, value *string, say func(int64) string) {
		n := 0
		*op = "atLeast"
		b.each(func(o string, v int64) { *op, *value, n = o, say(v), n+1 })
		single = single && n <= 1
	}
	days := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	switch {
	case p.Charges != nil:
		q := p.Charges
		c.Kind, c.State, c.Methods, c.Currency, c.Countries = "charges", q.State, strings.Join(q.Methods, " "), q.Currency, strings.Join(q.Countries, " ")
		c.Within, c.Classes = days(q.Within), q.Classes
		plain := func(v int64) string { return strconv.FormatInt(v, 10) }
		amount := func(v int64) string { return major(v, q.Currency) }
		write(q.Count, &c.CountOp, &c.Count, plain)
		write(q.Sum, &c.SumOp, &c.Sum, amount)
		write(q.Average, &c.AverageOp, &c.Average, amount)
	case p.Customer != nil:
		q := p.Customer
		c.Kind, c.CreatedWithin, c.CreatedBefore, c.Countries = "customer", days(q.CreatedWithin), days(q.CreatedBefore), strings.Join(q.Countries, " ")
		if q.Metadata != nil {
			c.Key, c.Values = q.Metadata.Key, strings.Join(q.Metadata.Values, "\n")
		}
	case p.Subscription != nil:
		c.Kind, c.Statuses, c.Prices = "subscription", strings.Join(p.Subscription.Statuses, " "), strings.Join(p.Subscription.Prices, " ")
	default:
		return c, false
	}
	return c, single
}

// maxFormConditions is how many conditions the form has at most.
const maxFormConditions = 12

// readAudience reads the form. It returns what button was pressed.
func (r *request) readAudience(f *audienceForm) (pressed string) {
	f.ID, f.Etag = r.http.PathValue("id"), r.form("etag")
	f.Name, f.Description, f.Copy = strings.Join(strings.Fields(r.form("name")), " "), r.form("description"), r.form("copy")
	f.Text, f.JSON = r.form("mode") == "json", r.form("json")
	if f.Match = "all"; r.form("match") == "any" {
		f.Match = "any"
	}
	f.Conditions = nil
	for i := range maxFormConditions {
		c := condition{N: i}
		v := func(name string) string { return r.form(c.Name(name)) }
		if c.Kind = v("kind"); c.Kind == "" {
			break
		}
		c.Not, c.State, c.Methods, c.Currency, c.Countries, c.Within = v("not") != "", v("state"), v("methods"), strings.ToLower(v("currency")), strings.ToUpper(v("countries")), v("within")
		c.Classes = r.http.PostForm[c.Name("classes")]
		c.CountOp, c.Count, c.SumOp, c.Sum, c.AverageOp, c.Average = v("count-op"), v("count"), v("sum-op"), v("sum"), v("average-op"), v("average")
		c.CreatedWithin, c.CreatedBefore, c.Key, c.Values, c.Statuses, c.Prices = v("createdWithin"), v("createdBefore"), v("key"), v("values"), v("statuses"), v("prices")
		f.Conditions = append(f.Conditions, c)
	}
	return r.form("do")
}

// predicate makes the predicate of the form; what is wrong stands in Faults.
func (r *request) predicate(f *audienceForm) json.RawMessage {
	if f.Text {
		if !json.Valid([]byte(f.JSON)) {
			f.Faults.add("json", r.t("This is no JSON."))
		}
		return json.RawMessage(f.JSON)
	}
	all := []predicate{}
	for _, c := range f.Conditions {
		p := r.condition(f, c)
		if c.Not {
			all = append(all, predicate{Not: &p})
			continue
		}
		all = append(all, p)
	}
	p := predicate{All: all}
	if f.Match == "any" {
		p = predicate{Any: all}
	}
	if len(all) == 0 {
		f.Faults.add("add", r.t("Add a condition."))
	}
	text, _ := json.Marshal(p)
	return text
}

var separators = regexp.MustCompile(`[\s,;]+`)

// texts are the words of a list, as they are written with blanks or commas between them.
func texts(list string) (all []string) {
	for _, s := range separators.Split(list, -1) {
		if s != "" {
			all = append(all, s)
		}
	}
	return all
}

func (r *request) condition(f *audienceForm, c condition) predicate {
	days := func(name, text string) int {
		n, err := strconv.Atoi(text)
		if text != "" && (err != nil || n < 1) {
			f.Faults.add(c.Name(name), r.t("A number of days is expected."))
		}
		return n
	}
	number := func(name, op, text string, read func(string) (int64, bool)) *bounds {
		if text == "" {
			return nil
		}
		v, ok := read(text)
		if !ok {
			f.Faults.add(c.Name(name), r.t("A number is expected, such as 2 or 80.50."))
		}
		return boundsOf(op, v)
	}
	switch c.Kind {
	case "customer":
		q := &customerCondition{CreatedWithin: days("createdWithin", c.CreatedWithin), CreatedBefore: days("createdBefore", c.CreatedBefore), Countries: texts(c.Countries)}
		if c.Key != "" {
			q.Metadata = &metadataCondition{Key: c.Key}
			for line := range strings.Lines(c.Values) {
				if line = strings.TrimSpace(line); line != "" {
					q.Metadata.Values = append(q.Metadata.Values, line)
				}
			}
		}
		return predicate{Customer: q}
	case "subscription":
		return predicate{Subscription: &subscriptionCondition{Statuses: texts(c.Statuses), Prices: texts(c.Prices)}}
	}
	q := &chargesCondition{
		State: c.State, Methods: texts(strings.ToLower(c.Methods)), Classes: c.Classes, Currency: c.Currency, Countries: texts(c.Countries), Within: days("within", c.Within),
	}
	if q.State == "paid" {
		q.State = ""
	}
	if (c.Sum != "" || c.Average != "") && c.Currency == "" {
		f.Faults.add(c.Name("currency"), r.t("An amount needs a currency."))
	}
	amount := func(s string) (int64, bool) { return minor(s, c.Currency) }
	q.Count = number("count", c.CountOp, c.Count, func(s string) (int64, bool) { n, err := strconv.ParseInt(s, 10, 64); return n, err == nil && n >= 0 })
	q.Sum, q.Average = number("sum", c.SumOp, c.Sum, amount), number("average", c.AverageOp, c.Average, amount)
	return predicate{Charges: q}
}

// sendAudience does what the button of the form says: adds or removes a condition,
// turns to JSON or back, shows a preview, or saves.
func (r *request) sendAudience() error {
	f, err := r.audienceForm()
	if err != nil {
		return err
	}
	pressed := r.readAudience(f)
	what, of, _ := strings.Cut(pressed, "-")
	switch what {
	case "add":
		if slices.Contains([]string{"charges", "customer", "subscription"}, of) && len(f.Conditions) < maxFormConditions {
			f.Conditions = append(f.Conditions, condition{N: len(f.Conditions), Kind: of, State: "paid"})
		}
		return r.show("audience_form", f)
	case "remove":
		if n, err := strconv.Atoi(of); err == nil && n >= 0 && n < len(f.Conditions) {
			f.Conditions = slices.Delete(f.Conditions, n, n+1)
		}
		for i := range f.Conditions {
			f.Conditions[i].N = i
		}
		return r.show("audience_form", f)
	case "json", "conditions":
		return r.turnAudience(f, what == "json")
	}
	wanted := r.predicate(f)
	if what == "preview" {
		return r.previewAudience(f, wanted)
	}
	if f.Name == "" {
		f.Faults.add("name", r.t("Give the audience a name."))
	}
	if len(f.Faults) > 0 {
		return r.again("audience_form", "main", f)
	}
	body := map[string]any{"name": f.Name, "description": f.Description, "copy": f.Copy, "predicate": wanted}
	asked, done := call{Method: http.MethodPost, Path: audienceAPI, Body: body}, "audience-made"
	if f.ID != "" {
		asked, done = call{Method: http.MethodPut, Path: r.audiencePath(), Body: body, Header: http.Header{"If-Match": {f.Etag}}}, "audience-changed"
	}
	var made audience
	if err := r.call(asked, &made); err != nil {
		f.Faults = append(f.Faults, r.fault(err))
		return r.again("audience_form", "main", f)
	}
	return r.redirect("/audiences/" + escape(made.ID) + "?done=" + done)
}

// turnAudience shows the same audience as JSON or as conditions. What can't be
// shown the other way stays as it was written, with why.
func (r *request) turnAudience(f *audienceForm, text bool) error {
	if text == f.Text {
		return r.show("audience_form", f)
	}
	wanted := r.predicate(f)
	var p predicate
	strict := json.NewDecoder(bytes.NewReader(wanted))
	strict.DisallowUnknownFields()
	if len(f.Faults) == 0 && strict.Decode(&p) == nil {
		f.write(p, !text)
	}
	if len(f.Faults) == 0 && f.Text != text {
		f.JSON = string(wanted)
		f.Faults.add("json", r.t("Rows of conditions can't say this: it stays as JSON."))
	}
	if len(f.Faults) > 0 {
		return r.again("audience_form", "main", f)
	}
	return r.show("audience_form", f)
}
