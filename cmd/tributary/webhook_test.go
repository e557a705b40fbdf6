package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// TestWebhookCommands makes an endpoint, lists it, adds a secret, removes it.
func TestWebhookCommands(t *testing.T) {
	t.Parallel()
	long(t)
	const reader = "rk_test_51Nq8rTYc0hReaderLm4Vb7Rn2"
	s := openShop(t, small(map[string]stripesim.Key{reader: {Permissions: []string{"charge_read", "event_read", "connected_account_read"}}}), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	call := func(key string, args ...string) outcome {
		t.Helper()
		at := []string{"--dir", dir}
		if args[0] != "add" {
			at = append(at, "--stripe-url", s.url)
		}
		o := command{args: slices.Concat([]string{"webhook"}, args, at), env: []string{"STRIPE_API_KEY=" + key}, stdin: goodSecret}.run(t)
		if strings.Contains(o.String(), "whsec_") {
			t.Errorf("%s prints the secret: %s", args, o)
		}
		return o
	}
	const at = "https://tributary.example.com"
	call(goodKey, "create", "--url", at).sentence(t, app.ExitFailed, "there is no copy in "+dir, "sync")
	absent(t, dir)
	complete(t, s.sync(dir, "--resources", "charges"))
	call(reader, "create", "--url", at).sentence(t, app.ExitFailed, "Webhook endpoints (rak_webhook_write)", "set Webhook endpoints to Write")
	call(goodKey, "create", "--url", "tributary.example.com").sentence(t, app.ExitUsage, "--url", "https://")
	o := call(goodKey, "create", "--url", at)
	made := regexp.MustCompile(`/webhooks/stripe \((we_\w+), version 2025-02-24.acacia\)`).FindStringSubmatch(o.stdout)
	if o.status != 0 || made == nil {
		t.Fatalf("create: %s", o)
	}
	id := made[1]
	file := filepath.Join(dir, "webhooks.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	call(goodKey, "create", "--url", at).sentence(t, app.ExitFailed, "already, "+id)
	if o := call(goodKey, "add", id, "--secret-file", "-"); o.status != 0 {
		t.Errorf("add: %s", o)
	}
	secrets := func() int {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), `"whsec_`)
	}
	if n := secrets(); n != 2 {
		t.Errorf("%d secrets, want the two of a roll", n)
	}
	if o := call(goodKey, "add", id, "--replace", "--secret-file", "-"); o.status != 0 || secrets() != 1 {
		t.Errorf("replace: %d: %s", secrets(), o)
	}
	o = call(goodKey, "list")
	if fields := strings.Fields(o.stdout[strings.Index(o.stdout, "\n")+1:]); o.status != 0 || len(fields) != 6 || fields[1] != "yes" || fields[0] != id {
		t.Errorf("list: %s", o)
	}
	if o := call(goodKey, "list"); strings.Count(o.stdout, "\n") != 2 {
		t.Errorf("list: %s", o)
	}
	if o := call(goodKey, "delete", id); o.status != 0 || secrets() != 0 {
		t.Errorf("delete: %s", o)
	}
	call(goodKey, "delete", id).sentence(t, app.ExitFailed, "Stripe has no such object")
	call(goodKey, "delete", "ch_1").sentence(t, app.ExitUsage, "not the id of a webhook endpoint")
}
