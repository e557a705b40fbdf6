package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/money"
)

// A Reconciliation says whether the balance transactions of the period and the
// report agree, to the last minor unit.
type Reconciliation struct {
	Reconciled bool   `json:"reconciled"`
	Statement  string `json:"statement"`
	// Transactions are the balance transactions of charges and refunds in the
	// period, Currencies those that they settled in.
	Transactions int64    `json:"transactions"`
	Currencies   []string `json:"currencies"`
	// Misfits are ids that do not fit, of those under "misfits"; Waiting are
	// orders that have no balance transaction yet.
	Misfits []string `json:"misfits"`
	Waiting int64    `json:"waiting"`
}

func (r *Report) reconcile() *Reconciliation {
	out := &Reconciliation{Currencies: []string{}, Misfits: []string{}}
	s := r.section("settlement")
	var wrong []string
	for _, row := range s.Rows {
		if s.value(row, "found_transactions") == nil {
			continue // neither of charges nor of refunds
		}
		out.Transactions += s.integer(row, "transactions")
		currency := s.text(row, "settlement_currency")
		if !slices.Contains(out.Currencies, currency) {
			out.Currencies = append(out.Currencies, currency)
		}
		for _, name := range []string{"transactions", "amount", "fee", "net"} {
			d := s.integer(row, name) - s.integer(row, "found_"+name)
			switch {
			case d == 0:
			case name == "transactions":
				wrong = append(wrong, fmt.Sprintf("%s of %s in %s differ by %d", name, s.text(row, "category"), currency, d))
			default:
				wrong = append(wrong, fmt.Sprintf("%s of %s differs by %s", name, s.text(row, "category"), money.Format(d, currency)))
			}
		}
		if d := s.integer(row, "objects") - s.integer(row, "settled"); d != 0 {
			wrong = append(wrong, fmt.Sprintf("objects of %s differ by %s", s.text(row, "category"), money.Format(d, currency)))
		}
	}
	wrong = append(wrong, r.unfitFees()...)
	m := r.section("misfits")
	for _, row := range m.Rows {
		out.Waiting = m.integer(row, "total") // of all kinds
		if m.text(row, "kind") == "waiting" {
			continue
		}
		id := m.text(row, "id")
		if object := m.text(row, "object"); object != "" {
			id += " (" + object + ")"
		}
		out.Misfits = append(out.Misfits, m.text(row, "kind")+": "+id)
	}
	out.Waiting -= int64(len(out.Misfits))
	out.Reconciled = len(wrong) == 0 && len(out.Misfits) == 0
	out.Statement = out.say(wrong)
	return out
}

// unfitFees compares what the fees add up to with the ledger. Fees of a part of
// the charges can't be.
func (r *Report) unfitFees() []string {
	if p := r.Params; p.Currency != "" || p.Country != "" || p.Customer != "" {
		return nil
	}
	type pair struct{ amount, fee int64 }
	sums := map[string]pair{}
	f := r.section("fees")
	for _, row := range f.Rows {
		if f.text(row, "class") == "all" {
			x := sums[f.text(row, "settlement_currency")]
			x.amount += f.integer(row, "settled") - f.integer(row, "settled_later")
			x.fee += f.integer(row, "fee") - f.integer(row, "fee_later")
			sums[f.text(row, "settlement_currency")] = x
		}
	}
	s := r.section("settlement")
	for _, row := range s.Rows {
		if ofCharges(s.text(row, "category")) {
			x := sums[s.text(row, "settlement_currency")]
			x.amount -= s.integer(row, "found_amount") - s.integer(row, "earlier_amount")
			x.fee -= s.integer(row, "found_fee") - s.integer(row, "earlier_fee")
			sums[s.text(row, "settlement_currency")] = x
		}
	}
	var wrong []string
	for currency, x := range sums {
		if x.amount != 0 || x.fee != 0 {
			wrong = append(wrong, fmt.Sprintf("charges differ from the ledger by %s, their fees by %s", money.Format(x.amount, currency), money.Format(x.fee, currency)))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// ofCharges says whether fees are made of balance transactions of a category.
func ofCharges(category string) bool {
	return category == "charge" || category == "charge_failure" || category == "partial_capture_reversal"
}

func (r *Reconciliation) say(wrong []string) string {
	about := fmt.Sprintf("%s balance transactions of charges and refunds in %s", thousands(r.Transactions), strings.Join(r.Currencies, ", "))
	if r.Transactions == 0 {
		about = "no balance transaction of a charge or refund"
	}
	if !r.Reconciled {
		said := "Does not reconcile: " + about + "; " + strings.Join(wrong, "; ")
		if len(r.Misfits) > 0 {
			said += fmt.Sprintf("; %d do not fit: %s", len(r.Misfits), strings.Join(r.Misfits[:min(len(r.Misfits), 5)], ", "))
		}
		return said + ". A customer who was removed on request leaves such a difference: the charges are gone, the balance transactions stay for the books."
	}
	said := "Reconciled: " + about + " are those of the report, in amount, fee and net, to the last minor unit."
	if r.Transactions == 0 {
		said = "Nothing to reconcile: there is " + about + " in the period."
	}
	if r.Waiting > 0 {
		said += fmt.Sprintf(" %s orders wait for theirs.", thousands(r.Waiting))
	}
	return said
}
