package app_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func TestPrivacyRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rules string
		says  []string
	}{
		"a resource":         {`{"rules":[{"resource":"disputes","path":"email","do":"drop"}]}`, []string{"rule 1", "disputes"}},
		"an id":              {`{"rules":[{"path":"email","do":"drop"},{"path":"**.id","do":"hash"}]}`, []string{"rule 2", `"**.id"`, "id of charges", "no record"}},
		"everything":         {`{"rules":[{"path":"*","do":"mask"}]}`, []string{"rule 1", "charges"}},
		"money":              {`{"rules":[{"path":"amount_refunded","do":"mask"}]}`, []string{"amount_refunded of charges", "money"}},
		"around money":       {`{"rules":[{"resource":"subscriptions","path":"items","do":"drop"}]}`, []string{"items.data.price", "subscriptions"}},
		"an inline price":    {`{"rules":[{"resource":"subscriptions","path":"items.data.price.id","do":"hash"}]}`, []string{"items.data.price.id"}},
		"a due date":         {`{"rules":[{"path":"available_on","do":"drop"}]}`, []string{"available_on of balance_transactions", "up to date"}},
		"the mode":           {`{"rules":[{"path":"livemode","do":"drop"}]}`, []string{"livemode"}},
		"the kind":           {`{"rules":[{"resource":"prices","path":"object","do":"mask"}]}`, []string{"object of prices"}},
		"a currency":         {`{"rules":[{"resource":"refunds","path":"currency","do":"mask"}]}`, []string{"currency of refunds"}},
		"what is no rule":    {`[]`, []string{"can't be read"}},
		"an action of yours": {`{"rules":[{"path":"email","do":"delete"}]}`, []string{"rule 1", "delete"}},
	} {
		dir := filepath.Join(t.TempDir(), "copy")
		_, err := app.SetPrivacy(t.Context(), dir, []byte(tt.rules))
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v lacks %q", name, err, s)
			}
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: the directory was made", name)
		}
	}
	for _, path := range []string{"**.email", "**.name", "**.address", "metadata", "metadata.**", "customer", "description", "**.phone", "billing_details", "payment_method_details.*.payer_email", "shipping"} {
		dir := filepath.Join(t.TempDir(), "copy")
		if _, err := app.SetPrivacy(t.Context(), dir, []byte(fmt.Sprintf(`{"rules":[{"path":%q,"do":"hash"}]}`, path))); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Containers that are hashed or masked keep their shape, so that records with
// them still land.
func TestPrivacyOfContainersLands(t *testing.T) {
	t.Parallel()
	long(t)
	for _, do := range []string{"drop", "hash", "mask"} {
		c := serve(t, stripesim.Config{Seed: 8, Expand: expansions, Counts: stripesim.Counts{Charges: 120, Customers: 40, Subscriptions: 20, Prices: 10}}, nil)
		var rules []string
		for _, path := range []string{"billing_details", "shipping", "payment_method_details.*.payer_details", "payment_method_details.card.checks", "metadata", "**.address", "customer", "outcome", "cancellation_details", "invoice_settings", "fraud_details", "description", "paid", "status_transitions"} {
			rules = append(rules, fmt.Sprintf(`{"path":%q,"do":%q}`, path, do))
		}
		_, err := app.SetPrivacy(t.Context(), c.dir, []byte(`{"rules":[`+strings.Join(rules, ",")+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		complete(t, c.pass(t))
		for _, row := range selected(t, reader(t, c.dir), "select count(*) as n from quarantine") {
			if fmt.Sprint(row["n"]) != "0" {
				t.Errorf("%s: %v in quarantine", do, row["n"])
			}
		}
		everything(t, c.dir)
	}
}

func TestPrivacyKey(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{Seed: 9, Expand: expansions, Counts: stripesim.Counts{Charges: 20, Customers: 10, Subscriptions: 3, Prices: 3}}, nil)
	if _, err := app.SetPrivacy(t.Context(), c.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	complete(t, c.pass(t))
	path := filepath.Join(c.dir, "privacy.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := os.ReadFile(filepath.Join(c.dir, "tributary.db"))
	if err != nil || bytes.Contains(db, bytes.TrimSpace(key)) {
		t.Errorf("the key is in the database: %v", err)
	}
	refused := func(what string, says ...string) {
		t.Helper()
		_, err := c.pass(t).Run(t.Context())
		if problem.KindOf(err) != problem.Conflict {
			t.Errorf("%s: %v", what, err)
			return
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v lacks %q", what, err, s)
			}
		}
		if _, err := app.SetPrivacy(t.Context(), c.dir, []byte(`{"rules":[{"path":"email","do":"hash"}]}`)); problem.KindOf(err) != problem.Conflict {
			t.Errorf("%s: rules can be set: %v", what, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("without the key", "is gone", path, "backup")
	for what, text := range map[string]string{"another key": strings.Repeat("ab", 32), "no key": "ab\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(what, path)
	}
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	complete(t, c.pass(t))
}

// Without history, rules can be set before the first pass alone.
func TestPrivacyWithoutHistory(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{Seed: 10, Expand: expansions, Counts: stripesim.Counts{Charges: 60, Customers: 20, Subscriptions: 5, Prices: 5}}, nil)
	if _, err := app.SetPrivacy(t.Context(), c.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	lean := c.pass(t)
	lean.NoHistory = true
	complete(t, lean)
	s := newSearch()
	s.everyFile(t, c.dir)
	if len(s.addresses) > 0 || s.files["dataset"] == 0 {
		t.Errorf("%v, files %v", s.addresses, s.files)
	}
	_, err := app.SetPrivacy(t.Context(), c.dir, []byte(`{"rules":[{"path":"**.email","do":"drop"}]}`))
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "new directory") {
		t.Errorf("got %v", err)
	}
	complete(t, lean) // the rules of before are in force
	if text, err := app.PrivacyRules(t.Context(), c.dir); err != nil || !bytes.Contains(text, []byte("payer_email")) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := app.SetPrivacy(t.Context(), c.dir, []byte(`{"rules":[]}`)); err != nil {
		t.Errorf("rules can't be cleared: %v", err)
	}
}
