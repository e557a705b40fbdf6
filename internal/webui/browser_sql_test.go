package webui_test

import (
	"path/filepath"
	"testing"

	"github.com/tributary-data/tributary/internal/runner"
)

// Queries, the engines of a dataset, and the report, as a browser has them.
func TestBrowserQueries(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w, _, id := filled(t)
	operator, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.copyAt(filepath.Join(runner.SandboxDir(w.dir, operator.Sandbox.ID), "acct_shop-test"))
	p := b.Page(t)
	p.Allow("422") // queries that are wrong
	signIn(p, w, w.id, w.secret)

	p.Open(w.url + "/ui/sql?q=SELECT+status,+count(*)+AS+n+FROM+our_charges_of_nobody")
	p.WaitText("#table-list", "our_charges")
	p.Press("Tab") // the page has its script by now
	const keys = `document.querySelector("#sql").dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", ctrlKey: true, bubbles: true, cancelable: true}))`
	p.Eval(keys, nil)
	p.WaitText("#sql-fault", "Line 1, character 35")
	p.Axe()
	p.Click("#sql-fault a")
	var selected string
	p.Eval(`(({value, selectionStart, selectionEnd}) => value.slice(selectionStart, selectionEnd))(document.querySelector("#sql"))`, &selected)
	if selected != "our_charges_of_nobody" {
		t.Errorf("the fault's place is %q", selected)
	}
	p.Click("#table-list summary")
	p.Click("#table-list li button[data-insert=our_charges]") // in the place of what is selected
	p.Fill("#table-filter", "amount_captured")
	p.WaitText("#table-list", "amount_captured")
	p.Fill("#sql", "SELECT id, amount, currency, status, billing_details, to_timestamp(created) AS at FROM acct_shop_test.charges ORDER BY created DESC")
	p.Click("#sql-form button.accent")
	p.WaitText("#sql-result", "There are more rows")
	p.WaitGone("#sql-fault")
	seen(t, p, "sql")
	p.Fill("#sql", "SELECT count(*) FROM range(4000000000) a, range(4000000000) b")
	p.Click("#sql-form button.accent")
	p.Click("#sql-wait button")
	p.WaitGone("#sql-wait")
	p.WaitText("#toasts", "The query was cancelled")
	p.Fill("#sql", "SELECT 7 AS seven")
	p.Click("#sql-form button.accent")
	p.WaitText("#sql-result", "seven")

	p.Open(w.url + "/ui/datasets/" + id)
	p.WaitText("#engines table", "pyiceberg")

	p.Open(w.url + "/ui/insights/bnpl?copy=acct_shop-test")
	p.WaitText("#bnpl", "Reconciled to the cent")
	seen(t, p, "bnpl")
	p.Fill("#currency", "usd")
	p.Click("main form button.accent")
	p.WaitURL("currency=usd")
	p.WaitText("#bnpl .tiles", "USD")
	p.Click("#methods a.button")
	p.WaitURL("section=methods")
	p.Click("#sql-form button.accent")
	p.WaitText("#sql-result", "klarna")
}
