package report_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var (
	runs = flag.Int("report.runs", 3, "how many accounts TestOracle reports on")
	seed = flag.Uint64("report.seed", 0, "the one account that it reports on; 0: those from 1 on")
)

var present = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// What several tests read: the accounts of lived by their seeds less 1, and shop.
var (
	lives  = [3]copytest.Shared{{Account: life(1)}, {Account: life(2)}, {Account: life(3)}}
	little = copytest.Shared{Account: shop}
)

func life(seed uint64) func(testing.TB) *stripesim.Sim {
	return func(t testing.TB) *stripesim.Sim {
		t.Helper()
		return lived(t, seed, 40)
	}
}

// lived makes an account that lived for a while after its beginning: with refunds
// that fail, disputes, and charges that settle late.
func lived(t testing.TB, seed uint64, days int) *stripesim.Sim {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	sim, err := stripesim.New(stripesim.Config{
		Seed: seed, Now: present, Frozen: true, Variety: true,
		Counts: stripesim.Counts{Charges: 700 + r.IntN(900), Customers: 120 + r.IntN(300), Subscriptions: 60 + r.IntN(120), Prices: 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	life, err := sim.Live(seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range days {
		if _, err := life.Day(); err != nil {
			t.Fatal(err)
		}
	}
	return sim
}

// ask draws a question; the first one of an account is about all there is.
func ask(t testing.TB, r *rand.Rand, n int) *asked {
	t.Helper()
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	from, to, zone, period, currency, country, customer := "", "", "UTC", "month", "", "", ""
	if n > 0 {
		a := present.AddDate(0, 0, -r.IntN(700)-2)
		from = pick("", a.Format(time.DateOnly), a.Format(time.RFC3339))
		to = pick("", a.AddDate(0, 0, 1+r.IntN(300)).Format(time.DateOnly))
		zone = pick("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns")
		period = pick("day", "week", "month")
		currency, country, customer = pick("", "", "", "usd", "eur", "jpy", "kwd", "bhd"), pick("", "", "", "US", "DE", "SE"), pick("", "", "", "new", "returning", "guest")
	}
	p, err := report.ParseParams(from, to, zone, period, currency, country, customer)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return &asked{Params: p, zone: at}
}

// Every number of every section is that of a plain calculation over the
// account's objects, in all kinds of currencies, zones and periods.
func TestOracle(t *testing.T) {
	seeds := []uint64{*seed}
	if *seed == 0 {
		seeds = seeds[:0]
		for i := range *runs {
			seeds = append(seeds, uint64(i+1))
		}
	}
	shared := map[uint64]*copytest.Shared{}
	for _, n := range seeds {
		if shared[n] = (&copytest.Shared{Account: life(n)}); n <= uint64(len(lives)) {
			shared[n] = &lives[n-1]
		}
		shared[n].Hold(t)
	}
	t.Parallel()
	for _, n := range seeds {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			sim, dir := shared[n].Copy(t)
			source, w, r := copytest.Open(t, dir), truthOf(t, sim), rand.New(rand.NewPCG(n, 11))
			for _, code := range []string{"jpy", "kwd", "bhd"} {
				if !slices.ContainsFunc(w.charges, func(c *charge) bool {
					return c.Currency == code && c.paid > 0 && c.class == "bnpl" || c.Currency == code && code != "jpy"
				}) {
					t.Errorf("the account has no charges in %s", code)
				}
			}
			for i := range 3 {
				q := ask(t, r, i)
				var s report.Source = source
				if n == 1 && i == 1 { // that can't keep anything, and takes three times as long
					s = struct{ report.Source }{source}
				}
				said := w.differences(t, s, q)
				for _, s := range said[:min(len(said), 10)] {
					t.Errorf("%s to %s %s by %s, %q %q %q: %s", q.From, q.To, q.zone, q.Period, q.Currency, q.Country, q.Customer, s)
				}
			}
		})
	}
}

// differences makes the report and compares it with the plain calculation.
func (w *truth) differences(t testing.TB, source report.Source, q *asked) []string {
	t.Helper()
	got, err := report.Run(t.Context(), source, q.Params)
	if err != nil {
		return []string{err.Error()}
	}
	q.from, q.to = got.Params.From.Unix(), got.Params.To.Unix()
	var said []string
	want := w.answers(q)
	for _, s := range got.Sections {
		if want[s.Name] == nil {
			said = append(said, "a section "+s.Name)
		}
		said = append(said, compare(s, want[s.Name])...)
		delete(want, s.Name)
	}
	for name := range want {
		if q.Section == "" {
			said = append(said, "no section "+name)
		}
	}
	if got.Reconciliation != nil && !got.Reconciliation.Reconciled {
		said = append(said, got.Reconciliation.Statement)
	}
	return said
}

func compare(s *report.Section, want result) []string {
	var said []string
	seen := map[string]bool{}
	for _, r := range s.Rows {
		var texts []string
		for i, c := range s.Columns {
			if c.Kind == report.Text {
				v, _ := r[i].(string)
				texts = append(texts, v)
			}
		}
		key := strings.Join(texts, "|")
		if seen[key] {
			said = append(said, s.Name+" has twice "+key)
		}
		seen[key] = true
		row := want[key]
		if row == nil {
			said = append(said, s.Name+" has "+key)
			continue
		}
		numbers := 0
		for i, c := range s.Columns {
			if c.Kind == report.Text {
				continue
			}
			numbers++
			v, there := row[c.Name]
			if !there || !alike(r[i], v) {
				said = append(said, fmt.Sprintf("%s of %s: %s is %v, want %v", s.Name, key, c.Name, r[i], v))
			}
		}
		if numbers != len(row) {
			said = append(said, fmt.Sprintf("%s has %d numbers, want %d: %v", s.Name, numbers, len(row), slices.Sorted(maps.Keys(row))))
		}
	}
	for key := range want {
		if !seen[key] {
			said = append(said, s.Name+" has no "+key)
		}
	}
	slices.Sort(said)
	return said
}

// alike compares integers exactly, and floats but for the last digits.
func alike(a, b any) bool {
	x, ok := a.(float64)
	y, other := b.(float64)
	if ok && other {
		return math.Abs(x-y) <= 1e-8*max(math.Abs(x), math.Abs(y), 1e-3)
	}
	return a == b
}

// A bent source changes the SQL before it runs it.
type bent struct {
	report.Source
	old, with string
	found     bool
}

func (b *bent) Query(ctx context.Context, sql string) (*duck.Rows, error) {
	b.found = b.found || strings.Contains(sql, b.old)
	return b.Source.Query(ctx, strings.ReplaceAll(sql, b.old, b.with))
}

// long leaves out what takes long where -short says so: SQL, in which a race detector
// finds nothing.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// A report that counts something else is found out.
func TestWrong(t *testing.T) {
	long(t)
	lives[2].Hold(t)
	t.Parallel()
	sim, dir := lives[2].Copy(t)
	source, w := copytest.Open(t, dir), truthOf(t, sim)
	asks := func(section string) *asked {
		p, err := report.ParseParams("2025-03-01", "2026-06-14", "Europe/Berlin", "week", "", "", "")
		if err != nil {
			t.Fatal(err)
		}
		p.Section = section
		at, err := time.LoadLocation(p.Zone)
		if err != nil {
			t.Fatal(err)
		}
		return &asked{Params: p, zone: at}
	}
	right := map[string]bool{} // sections, as they are
	for name, c := range map[string][3]string{
		"pending refunds":         {"methods", "('succeeded', 'pending')", "('succeeded')"},
		"failed refunds":          {"countries", "('succeeded', 'pending')", "('succeeded', 'pending', 'failed')"},
		"when refunds count":      {"periods", "refunds.created >= here.until", "refunds.created > here.until + 86400"},
		"pay now is no BNPL":      {"methods", "category = 'pay_now' then 'other'", "category = 'pay_now' then 'bnpl'"},
		"unknown to Klarna":       {"methods", "'bnpl_unknown'", "'bnpl'"},
		"held money":              {"methods", "and c.captured then coalesce(c.amount_captured, c.amount)", "then c.amount"},
		"all amounts":             {"customers", "'succeeded' and c.captured then coalesce(c.amount_captured, c.amount)", "'succeeded' and c.captured then c.amount + 1"},
		"who is new":              {"customers", "first_order < created", "first_order <= created"},
		"zone":                    {"periods", "timezone('Europe/Berlin', to_timestamp(created))", "timezone('UTC', to_timestamp(created))"},
		"beginning":               {"failures", "created >= ", "created > 86400 + "},
		"end":                     {"fees", "created < 178", "created < -86400 + 178"},
		"median's interval":       {"methods", "1.96 * sqrt", "1.5 * sqrt"},
		"spread":                  {"methods", "stddev_samp", "stddev_pop"},
		"next order":              {"repeat", "lead(created)", "lead(created, 2)"},
		"renewals are no baskets": {"lift", "paid > 0 and not renewal", "paid > 0"},
		"weights":                 {"lift", "sum(later.n * cards.mean)", "sum(cards.mean)"},
		"tiers":                   {"mrr", "least(quantity, coalesce(up_to, quantity)) - above", "quantity - above"},
		"metered":                 {"mrr", "when metered or interval is null then null", "when interval is null then null"},
		"past due":                {"mrr", "('active', 'past_due')", "('active')"},
		"packs":                   {"mrr", "(bought + divide_by - 1) // divide_by", "bought // divide_by"},
		"country":                 {"countries", "c.billing_details.address.country, ", ""},
		"fees":                    {"fees", "sum(b.fee)::bigint as fee", "sum(b.fee + 1)::bigint as fee"},
		"failed refunds return":   {"settlement", "select failure_balance_transaction, id, null, created, currency, amount", "select failure_balance_transaction, id, null, created, currency, -amount"},
	} {
		if !right[c[0]] {
			right[c[0]] = true
			if said := w.differences(t, source, asks(c[0])); len(said) > 0 {
				t.Fatalf("%s as it is: %v", c[0], said)
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bent{Source: source, old: c[1], with: c[2]}
			if said := w.differences(t, b, asks(c[0])); len(said) == 0 || !b.found {
				t.Errorf("nothing was found out (%v)", b.found)
			}
		})
	}
}
