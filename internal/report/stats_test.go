package report

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/duck"
)

// The median's interval covers with 95 % or more, whatever the number of orders: the
// chance that fewer than k of n fall on one side of the median.
func TestMedianInterval(t *testing.T) {
	t.Parallel()
	choose := big.NewInt(1)
	for n := int64(1); n <= 1500; n++ {
		k := int64(math.Floor((float64(n) - 1.96*math.Sqrt(float64(n))) / 2))
		if k < 1 {
			if n >= 8 {
				t.Errorf("no interval of %d", n)
			}
			continue
		}
		// Missed is 2 P(B <= k-1) for B binomial with a half.
		sum := new(big.Int)
		choose.SetInt64(1)
		for i := range k {
			sum.Add(sum, choose)
			choose.Mul(choose, big.NewInt(n-i)).Quo(choose, big.NewInt(i+1))
		}
		missed, _ := new(big.Rat).SetFrac(sum.Lsh(sum, 1), new(big.Int).Lsh(big.NewInt(1), uint(n))).Float64()
		if missed > 0.05 {
			t.Errorf("%d orders: missed %.4f", n, missed)
		}
	}
}

// The interval of a lift covers the truth with 95 % or nearly so, also where
// strata are small and amounts are skewed: each currency is a trial of its own.
func TestLiftInterval(t *testing.T) {
	t.Parallel()
	const trials, strata, lift = 800, 4, 0.2
	r := rand.New(rand.NewPCG(1, 2))
	var rows []string
	for trial := range trials {
		for stratum := range strata {
			level := 5000 + 10000*r.Float64()
			draw := func(class, method string, n int, factor float64) {
				for range n {
					paid := level * factor * math.Exp(0.7*r.NormFloat64())
					rows = append(rows, fmt.Sprintf("c%d,%d,%s,%s,%d", trial, stratum, class, method, int64(paid)))
				}
			}
			draw("bnpl", "zip", 2+stratum, 1+lift)
			draw("card", "card", 4, 1)
		}
	}
	db, err := duck.Open(t.Context(), duck.Catalog{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	drop, err := db.Keep(t.Context(), attemptsTable, `select 0 as created, v[1] as currency, v[2] as country, 'new' as customer_kind, 0 as period, v[3] as class,
		v[4] as method, v[5]::bigint as paid, false as renewal, false as in_person
		from (select string_split(unnest(string_split('`+strings.Join(rows, ";")+`', ';')), ',') as v)`)
	if err != nil {
		t.Fatal(err)
	}
	defer drop()
	p := Params{kept: true, To: time.Unix(1, 0)}
	for _, d := range p.specs() {
		if d.name != "lift" {
			continue
		}
		s, err := p.run(t.Context(), db, d)
		if err != nil {
			t.Fatal(err)
		}
		covered, there := 0, 0
		for _, row := range s.Rows {
			low, ok := s.float(row, "lift_low")
			high, _ := s.float(row, "lift_high")
			if s.text(row, "method") != "zip" || !ok {
				continue
			}
			there++
			if low <= lift && lift <= high {
				covered++
			}
		}
		if share := float64(covered) / trials; there != trials || share < 0.93 || share > 0.97 {
			t.Errorf("%d of %d intervals cover the truth, %.3f", covered, there, share)
		}
	}
}
