package access_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/problem"
)

func read(t testing.TB, dir string) access.Bootstrap {
	t.Helper()
	info, err := os.Stat(filepath.Join(dir, "bootstrap.json"))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("bootstrap.json has mode %o", mode)
	}
	b, err := access.ReadBootstrap(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The first start makes an administrator, whose credentials work; later ones
// change nothing.
func TestBootstrap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		b := read(t, w.dir)
		token, err := w.Token(t.Context(), b.ClientID, b.ClientSecret)
		if err != nil {
			t.Fatal(err)
		}
		p, err := w.Principal(t.Context(), token.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Admin || p.Org != b.Org || b.Sandbox != "prod" {
			t.Errorf("%+v of %+v", p, b)
		}
		if tenant, err := w.Tenant(t.Context(), b.Org); err != nil || tenant != "tributary" {
			t.Errorf("tenant %q: %v", tenant, err)
		}
		if err := w.open(t).Bootstrap(t.Context(), w.dir); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, read(t, w.dir)); diff != "" {
			t.Error(diff)
		}
		// Another server with the same database has no file, and makes none.
		elsewhere := t.TempDir()
		if err := w.open(t).Bootstrap(t.Context(), elsewhere); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(elsewhere); err != nil || len(left) != 0 {
			t.Errorf("%v: %v", left, err)
		}
	})
}

// Many first starts at once come to one organisation, and to files that are
// right or not there.
func TestBootstrapAtOnce(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		w := &world{clock: newClock(), name: name}
		same, apart := t.TempDir(), []string{t.TempDir(), t.TempDir()}
		var g errgroup.Group
		for _, dir := range append(apart, same, same, same) {
			s := w.open(t)
			g.Go(func() error { return s.Bootstrap(context.Background(), dir) })
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		s, files := w.open(t), 0
		for _, dir := range append(apart, same) {
			b, err := access.ReadBootstrap(dir)
			if problem.KindOf(err) == problem.NotFound {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Token(t.Context(), b.ClientID, b.ClientSecret); err != nil {
				t.Error(err)
			}
			files++
		}
		if files != 1 {
			t.Errorf("%d files", files)
		}
	})
}

// A database that begins anew beside a file that is there takes its words; one
// that can't be read is left alone.
func TestBootstrapFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := read(t, w.dir)
	anew := &world{clock: w.clock, name: filepath.Join(t.TempDir(), "control.db")}
	s := anew.open(t)
	if err := s.Bootstrap(t.Context(), w.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), b.ClientID, b.ClientSecret); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"broken": `{"org_id": "` + b.Org, "empty": "", "secret": `{"org_id":"` + b.Org + `","sandbox":"prod","client_id":"` + b.ClientID + `","client_secret":"secret"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "bootstrap.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			w := &world{clock: newClock(), name: filepath.Join(t.TempDir(), "control.db")}
			s := w.open(t)
			err := s.Bootstrap(t.Context(), dir)
			kind(t, name, err, problem.Conflict)
			if strings.Contains(err.Error(), b.Org) {
				t.Errorf("the error repeats the file: %v", err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != text {
				t.Errorf("%q: %v", got, err)
			}
			_, err = s.Operator(t.Context())
			kind(t, "nothing was made", err, problem.NotFound)
		})
	}
}

// A file that was lost is made anew, for the same client, with a secret that
// takes the place of the others; one that is there is not touched.
func TestRestoreBootstrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	old := read(t, w.dir)
	token, err := w.Token(ctx, old.ClientID, old.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.RestoreBootstrap(ctx, w.dir)
	kind(t, "a file that is there", err, problem.Conflict)
	if err := os.Remove(filepath.Join(w.dir, "bootstrap.json")); err != nil {
		t.Fatal(err)
	}
	_, err = access.ReadBootstrap(w.dir)
	kind(t, "a file that is lost", err, problem.NotFound)
	fresh, err := w.RestoreBootstrap(ctx, w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fresh, read(t, w.dir)); diff != "" {
		t.Error(diff)
	}
	if fresh.ClientID != old.ClientID || fresh.Org != old.Org || fresh.ClientSecret == old.ClientSecret {
		t.Error("it is not the same client with another secret")
	}
	if _, err := w.Token(ctx, fresh.ClientID, fresh.ClientSecret); err != nil {
		t.Error(err)
	}
	if _, err := w.Token(ctx, old.ClientID, old.ClientSecret); !errors.Is(err, access.ErrClient) {
		t.Errorf("the lost secret: %v", err)
	}
	_, err = w.Principal(ctx, token.AccessToken)
	kind(t, "a token of the lost secret", err, problem.Unauthenticated)
}

// What a first version stored is read for ever.
func TestStoredForms(t *testing.T) {
	t.Parallel()
	const file = `{"org_id":"0123456789ABCDEF01234567@AdobeOrg","sandbox":"prod","client_id":"0123456789abcdef0123456789abcdef","client_secret":"tribsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bootstrap.json"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var want access.Bootstrap
	if err := json.Unmarshal([]byte(file), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Error(diff)
	}
}
