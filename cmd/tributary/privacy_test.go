package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
)

func TestPrivacyCommands(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t, small(nil), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	file := filepath.Join(t.TempDir(), "rules.json")
	rules := `{"rules": [{"path": "**.email", "do": "hash"}, {"resource": "charges", "path": "receipt_email", "do": "drop"}]}`
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	privacy := func(stdin string, args ...string) outcome {
		return command{args: append([]string{"privacy"}, append(args, "--dir", dir)...), stdin: stdin}.run(t)
	}
	says := func(o outcome, words ...string) {
		t.Helper()
		if o.status != 0 {
			t.Error(o)
		}
		for _, w := range words {
			if !strings.Contains(o.stdout, w) {
				t.Errorf("the output lacks %q: %s", w, o)
			}
		}
	}
	privacy("", "show").sentence(t, app.ExitFailed, "no copy")
	privacy("", "clear").sentence(t, app.ExitFailed, "no copy")
	if _, err := os.Stat(dir); err == nil {
		t.Error("the directory was made for nothing")
	}
	privacy("", "set", file+"x").sentence(t, app.ExitUsage, "rules")
	privacy(`{"rules":[{"path":"id","do":"drop"}]}`, "set", "-").sentence(t, app.ExitUsage, "rule 1", `"id"`)

	says(privacy("", "set", file), "2 privacy rules are in force (version 1)\n")
	says(privacy("", "set", file), "2 privacy rules are in force, as before\n")
	complete(t, s.sync(dir))
	s.exact(t, dir, "charges", "customers")
	shown := privacy("", "show")
	says(shown, `"path": "**.email"`)
	says(privacy(shown.stdout, "set", "-"), "as before")
	says(privacy(`{"rules":[{"path":"**.email","do":"drop"}]}`, "set", "-"), "1 privacy rule is in force (version 2)", "customers: 20 versions and 20 rows rewritten", "--reconcile")
	says(privacy("", "clear"), "no privacy rules are in force (version 3)", "--reconcile")
	says(privacy("", "show"), `"rules": []`)
	complete(t, s.sync(dir))
}
