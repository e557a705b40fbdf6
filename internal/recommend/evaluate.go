package recommend

import (
	"errors"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/stats"
)

// An Evaluation says how well recommendations do on orders that the model has not
// seen: of each such order with two items or more, one after the other is taken
// out, and looked for among what is recommended for the rest.
type Evaluation struct {
	K       int       `json:"k"`
	From    time.Time `json:"from"`    // orders from here on are held out
	Trained int64     `json:"trained"` // orders before
	Orders  int64     `json:"orders"`  // held out, with two items or more
	Asked   int64     `json:"asked"`   // items taken out
	Items   int       `json:"items"`   // that the model knows
	Results []Result  `json:"results"` // of the model, popularity, and further ones
	// Gain is by how much the model's hit rate is above popularity's, on the same
	// questions.
	Gain Figure `json:"gain"`
}

// A Result is of one way to recommend.
type Result struct {
	Name    string `json:"name"`
	HitRate Figure `json:"hitRate"` // share of items found among the first K
	// MRR is the mean of 1 / place of the item among the first Deep; 0 where it isn't.
	MRR Figure `json:"mrr"`
	// Coverage is the share of the model's items that were ever among the first K.
	Coverage float64 `json:"coverage"`
}

// A Figure has its confidence interval of 95 %, by the delta method over
// customers, whose orders are alike.
type Figure struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Deep is how far down a list an item is looked for.
const Deep = 50

// A Recommender returns n items at most for a customer and a cart, best first.
type Recommender struct {
	Name      string
	Recommend func(customer string, cart []string, n int) []string
}

// Recommenders of a model.
const (
	ByModel      = "recommendations"
	ByPopularity = "popularity"
)

// Evaluate makes a model of the older orders and tries it on the newest share of
// them. Others are tried beside it.
func Evaluate(orders []Order, o Options, k int, share float64, others ...Recommender) (*Evaluation, error) {
	if k < 1 || k > Deep || share <= 0 || share >= 1 {
		return nil, errors.New("want k of 1 to 50 and a share between 0 and 1")
	}
	orders = slices.Clone(orders)
	slices.SortStableFunc(orders, func(a, b Order) int { return a.At.Compare(b.At) })
	cut := int(float64(len(orders)) * (1 - share))
	for cut > 0 && cut < len(orders) && orders[cut].At.Equal(orders[cut-1].At) { // one moment is not cut
		cut++
	}
	if cut == 0 || cut == len(orders) {
		return nil, errors.New("there are too few orders to hold some out")
	}
	b := NewBuilder()
	for _, order := range orders[:cut] {
		b.Add(order.Items)
	}
	m := b.Model(o)
	e := &Evaluation{K: k, From: orders[cut].At, Trained: b.orders, Items: len(m.Items)}
	all := append([]Recommender{
		{ByModel, func(_ string, cart []string, n int) []string { return names(m.Recommend(cart, n)) }},
		{ByPopularity, func(_ string, cart []string, n int) []string { return m.Popular(cart, n) }},
	}, others...)
	e.try(m, orders[cut:], all)
	if e.Orders < 2 {
		return nil, errors.New("fewer than two of the orders that are held out have two items")
	}
	return e, nil
}

// tally gathers of one customer, or guest order, what the recommenders found.
type tally struct {
	asked      float64
	hits, rank []float64
}

func (e *Evaluation) try(m *Model, held []Order, by []Recommender) {
	people := map[string]*tally{}
	var order []*tally
	shown := make([]map[string]bool, len(by))
	for i := range by {
		shown[i] = map[string]bool{}
	}
	for _, o := range held {
		items := unique(o.Items)
		if len(items) < 2 {
			continue
		}
		e.Orders++
		t := people[o.Customer]
		if t == nil || o.Customer == "" {
			t = &tally{hits: make([]float64, len(by)), rank: make([]float64, len(by))}
			people[o.Customer], order = t, append(order, t)
		}
		for out, item := range items {
			e.Asked++
			t.asked++
			rest := slices.Delete(slices.Clone(items), out, out+1)
			for i, r := range by {
				list := r.Recommend(o.Customer, rest, Deep)
				for _, s := range list[:min(e.K, len(list))] {
					shown[i][s] = true
				}
				if at := slices.Index(list, item); at >= 0 {
					t.rank[i] += 1 / float64(at+1)
					if at < e.K {
						t.hits[i]++
					}
				}
			}
		}
	}
	for i, r := range by {
		result := Result{
			Name: r.Name, HitRate: figure(order, func(t *tally) float64 { return t.hits[i] }),
			MRR: figure(order, func(t *tally) float64 { return t.rank[i] }),
		}
		known := 0
		for item := range shown[i] {
			if _, ok := m.index[item]; ok {
				known++
			}
		}
		result.Coverage = float64(known) / float64(max(len(m.Items), 1))
		e.Results = append(e.Results, result)
	}
	e.Gain = figure(order, func(t *tally) float64 { return t.hits[0] - t.hits[1] })
}

func figure(all []*tally, of func(*tally) float64) Figure {
	var m stats.Moments
	for _, t := range all {
		m.Add(t.asked, of(t))
	}
	e := stats.Ratio(m.Pair())
	i := e.Interval(0.95)
	return Figure{e.Value, i.Low, i.High}
}

func names(all []Recommendation) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.Item
	}
	return out
}

func unique(items []string) []string {
	var out []string
	for _, item := range items {
		out = appendOnce(out, item)
	}
	return out[:min(len(out), MaxItems)]
}
