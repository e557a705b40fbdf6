package recommend

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// A Builder counts orders for a model.
type Builder struct {
	orders int64
	index  map[string]int32
	items  []string
	counts []int64
	pairs  map[[2]int32]int64
}

// NewBuilder returns one that has counted nothing.
func NewBuilder() *Builder {
	return &Builder{index: map[string]int32{}, pairs: map[[2]int32]int64{}}
}

// Add counts an order; one without items counts as none.
func (b *Builder) Add(items []string) {
	var in []int32
	for _, item := range items {
		if len(in) == MaxItems {
			break
		}
		i, ok := b.index[item]
		if !ok {
			i = int32(len(b.items)) //nolint:gosec // so many items do not fit into memory
			b.index[item] = i
			b.items, b.counts = append(b.items, item), append(b.counts, 0)
		}
		if !slices.Contains(in, i) {
			in = append(in, i)
		}
	}
	if len(in) == 0 {
		return
	}
	b.orders++
	for k, i := range in {
		b.counts[i]++
		for _, j := range in[k+1:] {
			b.pairs[[2]int32{min(i, j), max(i, j)}]++
		}
	}
}

// Model returns the model of what was counted.
func (b *Builder) Model(o Options) *Model {
	m := &Model{Orders: b.orders, Options: o.filled()}
	var by []int32 // places in the builder, best sellers first
	for i, n := range b.counts {
		if n >= int64(m.Options.MinSupport) {
			by = append(by, int32(i)) //nolint:gosec // as above
		}
	}
	slices.SortFunc(by, func(x, y int32) int {
		return cmp.Or(cmp.Compare(b.counts[y], b.counts[x]), cmp.Compare(b.items[x], b.items[y]))
	})
	place := make([]int32, len(b.items))
	for at, i := range by {
		place[i] = int32(at) //nolint:gosec // as above
		m.Items, m.Counts = append(m.Items, b.items[i]), append(m.Counts, b.counts[i])
	}
	m.Rules = make([][]Rule, len(by))
	for pair, n := range b.pairs {
		if n < int64(m.Options.MinSupport) {
			continue
		}
		i, j := place[pair[0]], place[pair[1]]
		m.Rules[i], m.Rules[j] = append(m.Rules[i], Rule{j, n}), append(m.Rules[j], Rule{i, n})
	}
	for i, rules := range m.Rules {
		slices.SortFunc(rules, func(a, b Rule) int { return cmp.Or(cmp.Compare(b.Orders, a.Orders), cmp.Compare(a.Item, b.Item)) })
		rules = slices.Clip(rules[:min(len(rules), m.Options.Rules)])
		slices.SortFunc(rules, func(a, b Rule) int { return cmp.Compare(a.Item, b.Item) })
		m.Rules[i] = rules
	}
	m.open()
	return m
}

// open fills what follows from the rest.
func (m *Model) open() {
	m.index = make(map[string]int32, len(m.Items))
	for i, item := range m.Items {
		m.index[item] = int32(i) //nolint:gosec // as above
	}
}

// stored is a model as a file has it.
type stored struct {
	Format  int       `json:"format"` // 1
	Orders  int64     `json:"orders"`
	Options Options   `json:"options"`
	Items   []string  `json:"items"`
	Counts  []int64   `json:"counts"`
	Rules   [][]int64 `json:"rules"` // of each item: item, orders, item, orders, …

	Sold map[string][]string `json:"sold,omitempty"`
}

// Encode returns the model as JSON text.
func (m *Model) Encode() ([]byte, error) {
	s := stored{Format: 1, Orders: m.Orders, Options: m.Options, Items: m.Items, Counts: m.Counts, Sold: m.Sold}
	for _, rules := range m.Rules {
		flat := make([]int64, 0, 2*len(rules))
		for _, r := range rules {
			flat = append(flat, int64(r.Item), r.Orders)
		}
		s.Rules = append(s.Rules, flat)
	}
	return json.Marshal(s)
}

// Decode reads what Encode wrote.
func Decode(text []byte) (*Model, error) {
	var s stored
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("the stored model: %w", err)
	}
	n := int64(len(s.Items))
	if s.Format != 1 || len(s.Counts) != len(s.Items) || len(s.Rules) != len(s.Items) || n > 0 && s.Orders < 1 {
		return nil, fmt.Errorf("the stored model has format %d and %d items, %d counts, %d rules", s.Format, n, len(s.Counts), len(s.Rules))
	}
	m := &Model{Orders: s.Orders, Items: s.Items, Counts: s.Counts, Rules: make([][]Rule, n), Options: s.Options.filled(), Sold: s.Sold}
	for i, flat := range s.Rules {
		if m.Counts[i] < 1 || m.Counts[i] > m.Orders || len(flat)%2 != 0 {
			return nil, fmt.Errorf("the stored model's item %d is not whole", i)
		}
		for k := 0; k < len(flat); k += 2 {
			if flat[k] < 0 || flat[k] >= n || k > 0 && flat[k] <= flat[k-2] || flat[k+1] < 1 || flat[k+1] > min(s.Counts[i], s.Counts[flat[k]]) {
				return nil, fmt.Errorf("the stored model's rule %d → %d of %d items can't be", i, flat[k], n)
			}
			m.Rules[i] = append(m.Rules[i], Rule{int32(flat[k]), flat[k+1]})
		}
	}
	m.open()
	return m, nil
}
