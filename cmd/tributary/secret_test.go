package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/secret"
)

// TestSecretRotate rotates beside a process that has the keys and the database
// open and goes on with both.
func TestSecretRotate(t *testing.T) {
	t.Parallel()
	const token = "sk_test_rotated1234567890"
	dir := t.TempDir()
	c := openControl(t, dir)
	keys, db := c.Keys, c.DB
	scope := docstore.Scope{Org: "A", Sandbox: "prod"}
	put := func(id string) {
		t.Helper()
		s, err := keys.Put([]byte(token), id)
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Do(t.Context(), func(tx *docstore.Tx) error {
			_, err := tx.Put(scope, docstore.Doc{Kind: "connection", ID: id, Body: body})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	get := func(id string) (s secret.Sealed) {
		t.Helper()
		err := db.Do(t.Context(), func(tx *docstore.Tx) error {
			d, err := tx.Get(scope, "connection", id)
			if err != nil {
				return err
			}
			return json.Unmarshal(d.Body, &s)
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	put("1")
	put("2")
	old, _ := secret.KeyOf(get("1").Text)
	o := command{args: []string{"secret", "rotate", "--dir", dir}}.run(t)
	if o.status != 0 || !strings.Contains(o.stdout, "2 credentials were sealed anew, 0 old keys were dropped.") || !strings.Contains(o.stdout, "tributary secret prune") {
		t.Fatalf("%s", o)
	}
	put("3")
	for _, id := range []string{"1", "2", "3"} {
		s := get(id)
		plain, err := keys.Open(s.Text, id)
		if err != nil || string(plain) != token {
			t.Errorf("%s: %q, %v", id, plain, err)
		}
		if used, _ := secret.KeyOf(s.Text); used == old || !keys.Current(s.Text) {
			t.Errorf("%s is sealed with key %d, the old one is %d", id, used, old)
		}
	}
	o = command{args: []string{"secret", "prune", "--dir", dir}}.run(t)
	if o.status != 0 || !strings.Contains(o.stdout, "0 credentials were sealed anew, 0 old keys were dropped.") {
		t.Errorf("%s", o)
	}
	if strings.Contains(o.String(), token) {
		t.Error("the token is printed")
	}

	// An hour later.
	path := filepath.Join(dir, secret.FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	year := time.Now().UTC().Format("2006-")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), `"`+year, `"2001-`)), 0o600); err != nil {
		t.Fatal(err)
	}
	o = command{args: []string{"secret", "prune", "--dir", dir}}.run(t)
	if o.status != 0 || !strings.Contains(o.stdout, "1 old keys were dropped.") {
		t.Errorf("%s", o)
	}
	if plain, err := keys.Open(get("1").Text, "1"); err != nil || string(plain) != token {
		t.Errorf("%q, %v", plain, err)
	}
}

func TestSecretRefused(t *testing.T) {
	t.Parallel()
	long(t)
	dir := t.TempDir()
	openControl(t, dir)
	if err := os.Remove(filepath.Join(dir, secret.FileName)); err != nil {
		t.Fatal(err)
	}
	o := command{args: []string{"secret", "rotate", "--dir", dir}}.run(t)
	o.sentence(t, app.ExitFailed, "seal.key", "Restore it from a backup")
	file := filepath.Join(dir, "mounted")
	if o := (command{args: []string{"secret", "create", file}}).run(t); o.status != 0 || !strings.Contains(o.stdout, "backup") {
		t.Errorf("%s", o)
	}
	o = command{args: []string{"secret", "create", file}}.run(t)
	o.sentence(t, app.ExitFailed, "is there already")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o = command{args: []string{"secret", "rotate", "--dir", dir}, env: []string{"TRIBUTARY_SEAL_KEY=" + string(text)}}.run(t)
	o.sentence(t, app.ExitUsage, "--seal-key-file")
	o = command{args: []string{"secret", "rotate", "--dir", dir}, env: []string{"TRIBUTARY_SEAL_KEY=hunter2"}}.run(t)
	o.sentence(t, app.ExitUsage, "the environment does not hold keys")
	if strings.Contains(o.String(), "hunter2") {
		t.Error("the text is printed")
	}
	if o := (command{args: []string{"secret", "rotate", "--dir", dir, "--seal-key-file", file}}).run(t); o.status != 0 {
		t.Errorf("%s", o)
	}
}
