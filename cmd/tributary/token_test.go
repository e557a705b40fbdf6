package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/secret"
)

// printed reads the one JSON document that a command printed.
func printed[T any](t *testing.T, o outcome) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(o.stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil || o.status != 0 || d.More() || o.stderr != "" {
		t.Fatalf("%v: %s", err, o)
	}
	return v
}

type printedToken struct {
	AccessToken string `json:"access_token"`
	APIKey      string `json:"api_key"`
	Org         string `json:"org_id"`
	Sandbox     string `json:"sandbox"`
	ExpiresIn   int    `json:"expires_in"`
}

// openControl opens a directory's control plane, as a running serve has it.
func openControl(t *testing.T, dir string) *control.Control {
	t.Helper()
	c, err := control.Open(t.Context(), control.Config{Dir: dir, Seal: secret.Place{Dir: dir}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Tokens are had at once and beside a process that works on the directory, and
// integrations come and go under its eyes.
func TestTokenAndIntegrations(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "copy")
	c := openControl(t, dir)
	var g errgroup.Group
	first := make([]outcome, 3)
	for i := range first {
		g.Go(func() error {
			first[i] = command{args: []string{"token", "--dir", dir}}.run(t)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	admin := printed[printedToken](t, first[0])
	for _, o := range first[1:] {
		same := printed[printedToken](t, o)
		same.AccessToken = admin.AccessToken
		if diff := cmp.Diff(admin, same); diff != "" {
			t.Error(diff)
		}
	}
	if admin.Sandbox != "prod" || admin.ExpiresIn != 86399 || !strings.HasSuffix(admin.Org, "@AdobeOrg") {
		t.Errorf("%+v", admin)
	}
	for _, name := range []string{"bootstrap.json", "control.db", "seal.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v: %v", info, err)
		}
	}

	ctx, stop := context.WithCancel(t.Context())
	g.Go(func() error {
		caller, err := c.Access.Operator(t.Context())
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			<-pace.C
			_, err = c.Access.RetitleSandbox(t.Context(), caller, "prod", strings.Repeat("x", 1+n%9))
		}
		return err
	})
	if p, err := c.Access.Principal(t.Context(), admin.AccessToken); err != nil || !p.Admin || p.Client != admin.APIKey || p.Org != admin.Org {
		t.Errorf("%+v: %v", p, err)
	}
	made := printed[integration](t, command{args: []string{"integration", "create", "--dir", dir, "--name", "loader", "--permissions", "view-sources,manage-sources", "--sandboxes", "prod"}}.run(t))
	token, err := c.Access.Token(t.Context(), made.ClientID, made.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Access.Principal(t.Context(), token.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]access.Permission{"prod": {access.ManageSources, access.ViewSources}}, p.Grants); diff != "" || p.Admin {
		t.Errorf("%s %+v", diff, p)
	}
	printed[printedToken](t, command{args: []string{"token", "--dir", dir}}.run(t))

	listed := command{args: []string{"integration", "list", "--dir", dir}}.run(t)
	all := printed[[]integration](t, listed)
	if len(all) != 2 || all[1].ClientID != made.ClientID || !all[0].Admin || strings.Contains(listed.stdout, "client_secret") {
		t.Error(listed)
	}
	more := printed[shownSecret](t, command{args: []string{"integration", "secret", "add", "--dir", dir, made.ClientID}}.run(t))
	if o := (command{args: []string{"integration", "secret", "remove", "--dir", dir, made.ClientID, made.Secrets[0].ID}}).run(t); o.status != 0 {
		t.Error(o)
	}
	if _, err := c.Access.Principal(t.Context(), token.AccessToken); err == nil {
		t.Error("a token of a secret that was removed is accepted")
	}
	if token, err = c.Access.Token(t.Context(), made.ClientID, more.ClientSecret); err != nil {
		t.Fatal(err)
	}
	if o := (command{args: []string{"integration", "delete", "--dir", dir, made.ClientID}}).run(t); o.status != 0 {
		t.Error(o)
	}
	if _, err := c.Access.Principal(t.Context(), token.AccessToken); err == nil {
		t.Error("a token of an integration that was deleted is accepted")
	}
	stop()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

func TestIntegrationRefusals(t *testing.T) {
	t.Parallel()
	long(t)
	dir := filepath.Join(t.TempDir(), "copy")
	openControl(t, dir)
	create := func(more ...string) outcome {
		return command{args: append([]string{"integration", "create", "--dir", dir, "--name", "x"}, more...)}.run(t)
	}
	create("--permissions", "view-everything").sentence(t, app.ExitUsage, `"view-everything"`, "The permissions are view-sources, manage-sources, ")
	create("--permissions", "view-sources", "--sandboxes", "dev").sentence(t, app.ExitUsage, `"dev"`, "The sandboxes are prod")
	command{args: []string{"integration", "delete", "--dir", dir, "0"}}.run(t).sentence(t, app.ExitFailed, `no integration "0"`)

	lost := filepath.Join(dir, "bootstrap.json")
	restore := command{args: []string{"integration", "bootstrap", "--dir", dir}}
	restore.run(t).sentence(t, app.ExitFailed, "bootstrap.json is there")
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	token := command{args: []string{"token", "--dir", dir}}
	token.run(t).sentence(t, app.ExitFailed, "bootstrap.json is not there", "tributary integration bootstrap")
	if o := restore.run(t); o.status != 0 || strings.Contains(o.stdout, "tribsec_") {
		t.Error(o)
	}
	printed[printedToken](t, token.run(t))
	if err := os.WriteFile(lost, []byte(`{"client_secret":"tribsec_`), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := token.run(t)
	broken.sentence(t, app.ExitFailed, "not the file that tributary wrote")
	if strings.Contains(broken.stderr, "tribsec") {
		t.Error("the complaint repeats the file")
	}
}

// What is told a directory that is none, or not one of ours, says so and leaves
// nothing there.
func TestNoInstallation(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	if err := secret.Create(keys); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"token":                 {"token"},
		"integration":           {"integration", "create", "--name", "x", "--permissions", "view-sources"},
		"integration list":      {"integration", "list"},
		"integration bootstrap": {"integration", "bootstrap"},
		"secret rotate":         {"secret", "rotate"},
		"secret prune":          {"secret", "prune", "--seal-key-file", keys},
		"secret rotate, a file": {"secret", "rotate", "--seal-key-file", keys},
		"allow-list":            {"allow-list", "clear", "--organisation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			typo := filepath.Join(dir, "typo")
			for _, dir := range []string{typo, dir} {
				o := command{args: append(args, "--dir", dir)}.run(t)
				o.sentence(t, app.ExitFailed, "there is no installation in "+dir, "`tributary serve --dir "+dir+"` makes one")
			}
			absent(t, typo)
			if all, err := os.ReadDir(dir); len(all) > 0 || err != nil {
				t.Errorf("%v, %v", all, err)
			}
		})
	}
	t.Cleanup(func() {
		if after, err := os.ReadFile(keys); string(after) != string(before) || err != nil {
			t.Errorf("the keys were changed: %v", err)
		}
	})
}

// A first start that was cut short before it had made an organisation is none.
func TestHalfAnInstallation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := docstore.Open(t.Context(), filepath.Join(dir, "control.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	command{args: []string{"token", "--dir", dir}}.run(t).sentence(t, app.ExitFailed, "there is no installation in "+dir)
	absent(t, filepath.Join(dir, "bootstrap.json"))
}

// Who locked himself out of a running server is let in again.
func TestAllowListClear(t *testing.T) {
	t.Parallel()
	long(t)
	dir := filepath.Join(t.TempDir(), "copy")
	v := alone(t, dir)
	by := printed[printedToken](t, command{args: []string{"token", "--dir", dir}}.run(t))
	list := func(do string, more ...string) outcome {
		return command{args: append([]string{"allow-list", do, "--dir", dir}, more...)}.run(t)
	}
	for _, level := range [][]string{{"--organisation"}, {"--sandbox", "prod"}} {
		path := "/data/foundation/network/allow-lists/" + map[bool]string{true: "organization", false: "sandbox"}[len(level) == 1]
		list("show", level...).sentence(t, app.ExitFailed, "it can be called from everywhere")
		list("clear", level...).sentence(t, app.ExitFailed, "has no list of addresses")
		if status, body := v.call(t, by, http.MethodPut, path+"?force=true", `{"entries":[{"cidr":"203.0.113.0/24"}]}`); status != http.StatusOK {
			t.Fatalf("%d %v", status, body)
		}
		if status, body := v.get(t, by, path); status != http.StatusForbidden {
			t.Fatalf("not locked out: %d %v", status, body)
		}
		if o := list("show", level...); o.status != 0 || !strings.Contains(o.stdout, `"203.0.113.0/24"`) {
			t.Error(o)
		}
		if o := list("clear", level...); o.status != 0 || !strings.Contains(o.stdout, "can be called from everywhere") {
			t.Error(o)
		}
		status := 0
		for deadline := time.Now().Add(time.Minute); status != http.StatusOK && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			status, _ = v.get(t, by, "/data/foundation/network/egress")
		}
		if status != http.StatusOK {
			t.Errorf("still locked out: %d", status)
		}
	}
	list("clear").sentence(t, app.ExitUsage, "--organisation")
	list("clear", "--organisation", "--sandbox", "prod").sentence(t, app.ExitUsage, "--organisation")
	list("clear", "--sandbox", "dev").sentence(t, app.ExitFailed, `no sandbox "dev"`)

	status, body := v.get(t, by, "/data/foundation/audit/events?property=assetType==AllowList&property=action==Delete")
	var who []string
	for _, e := range body["_embedded"].(map[string]any)["events"].([]any) {
		e := e.(map[string]any)
		who = append(who, e["userEmail"].(string)+" "+e["assetId"].(string)+" "+e["status"].(string))
	}
	if diff := cmp.Diff([]string{"operator sandbox Allow", "operator organization Allow"}, who); diff != "" || status != http.StatusOK {
		t.Errorf("%d %s", status, diff)
	}
	text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	if n := strings.Count(string(text), `"user":"operator"`); n != 2 || err != nil {
		t.Errorf("%d lines of the file: %v", n, err)
	}
}
