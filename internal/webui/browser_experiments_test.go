package webui_test

import (
	"testing"
)

// The pages of experiments, as a browser has them.
func TestBrowserExperiments(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w, ran := finished(t)
	p := b.Page(t)
	p.Allow("422") // forms that are shown again
	signIn(p, w, w.id, w.secret)

	p.Open(w.url + "/ui/experiments/" + ran + "/results")
	p.WaitFor("#segments table")
	seen(t, p, "experiment-results")

	p.Open(w.url + "/ui/experiments/new")
	p.WaitFor("#variant-1")
	p.Fill("#name", "An add-on before checkout")
	p.Fill("#key", "cart-offer")
	p.Fill("#currency", "eur")
	p.Click("main form.form button[type=submit]")
	p.WaitFor("[data-error-summary]") // the offer has no value
	seen(t, p, "experiment-form")
	p.Fill("#variant-1-value", `{"show": true, "text": "Shall we wrap it?"}`)
	p.Click("main form.form button[type=submit]")
	p.WaitFor("#variants")
	p.Click("form[action$='/start'] button")
	p.WaitText("dialog", "Customers are assigned variants from now on")
	p.Click("dialog .dialog-actions button[type=submit]")
	p.WaitFor("#ship")
	seen(t, p, "experiment")
	p.Open(w.url + "/ui/experiments")
	p.WaitFor("#list table")
	seen(t, p, "experiments")

	p.Open(w.url + "/ui/experiments/keys")
	p.WaitFor("#name")
	p.Fill("#name", "The shop")
	p.Click("main form.form button[type=submit]")
	p.WaitFor("#secret")
	seen(t, p, "decision-key")
	p.Open(w.url + "/ui/experiments/keys")
	p.WaitFor("#list table")
	seen(t, p, "decision-keys")
	p.Open(w.url + "/ui/experiments/size?metric=revenue&currency=eur&days=14&before=30&lift=5&share=50")
	p.WaitFor("#need")
	seen(t, p, "experiment-size")
	p.Open(w.url + "/ui/experiments/holdout")
	p.WaitFor("#share")
	seen(t, p, "holdout")
}
