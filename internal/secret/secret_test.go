package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

const token = "sk_test_51PlantedControlValue"

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// keys makes the keys of a new directory.
func keys(t testing.TB) (*secret.Keys, string) {
	t.Helper()
	dir := t.TempDir()
	k, err := secret.Ensure(secret.Place{Dir: dir}, func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	return k, dir
}

func seal(t testing.TB, k *secret.Keys, about string) []byte {
	t.Helper()
	sealed, err := k.Seal([]byte(token), about)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// opens fails unless the text opens.
func opens(t testing.TB, k *secret.Keys, sealed []byte, about string) {
	t.Helper()
	plain, err := k.Open(sealed, about)
	if err != nil || string(plain) != token {
		t.Errorf("%q, %v", plain, err)
	}
}

// refused fails unless err is of the kind, has the words and shows no secret.
func refused(t *testing.T, err error, kind problem.Kind, words ...string) {
	t.Helper()
	if err == nil || problem.KindOf(err) != kind {
		t.Fatalf("got %v, want a problem %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q lacks %q", err, w)
		}
	}
	if strings.Contains(err.Error(), token) {
		t.Errorf("%q shows the token", err)
	}
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	k, dir := keys(t)
	sealed := seal(t, k, "org/connection/1")
	opens(t, k, sealed, "org/connection/1")
	if bytes.Contains(sealed, []byte(token)) {
		t.Error("the sealed text shows the token")
	}
	if bytes.Equal(sealed, seal(t, k, "org/connection/1")) {
		t.Error("the same text is sealed the same way twice")
	}
	again, err := secret.Load(secret.Place{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	opens(t, again, sealed, "org/connection/1")
	info, err := os.Stat(filepath.Join(dir, secret.FileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	stranger, _ := keys(t)
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	_, err = k.Open(sealed, "org/connection/2")
	refused(t, err, problem.Internal, "org/connection/2", "sealed for another object")
	_, err = k.Open(flipped, "org/connection/1")
	refused(t, err, problem.Internal, "it was changed")
	_, err = stranger.Open(sealed, "org/connection/1")
	refused(t, err, problem.Internal, "which", "does not have", "Restore the keys")
	for _, text := range [][]byte{nil, {1}, []byte(token), bytes.Repeat([]byte{0}, 100)} {
		_, err = k.Open(text, "a")
		refused(t, err, problem.Internal, "not a sealed text")
	}
	if _, err := k.Seal([]byte(token), ""); err == nil {
		t.Error("sealed for nothing")
	}
}

// Only what was sealed for an object opens for it.
func TestBound(t *testing.T) {
	t.Parallel()
	k, _ := keys(t)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		a, b := rapid.StringN(1, 40, -1).Draw(t, "a"), rapid.StringN(1, 40, -1).Draw(t, "b")
		sealed, err := k.Seal(plain, a)
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Open(sealed, b)
		if (err == nil) != (a == b) || err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("sealed for %q, opened for %q: %q, %v", a, b, got, err)
		}
	})
}

func TestMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := secret.Load(secret.Place{Dir: dir})
	refused(t, err, problem.NotFound, secret.FileName, "Restore it")
	_, err = secret.Ensure(secret.Place{Dir: dir}, func() (bool, error) { return true, nil })
	refused(t, err, problem.NotFound, secret.FileName)
	if _, err := os.Stat(filepath.Join(dir, secret.FileName)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("keys were made in the place of lost ones")
	}
	_, err = secret.Ensure(secret.Place{File: filepath.Join(dir, "mounted")}, func() (bool, error) { return false, nil })
	refused(t, err, problem.NotFound, "mounted")

	k, dir := keys(t)
	path := filepath.Join(dir, secret.FileName)
	sealed := seal(t, k, "a")
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	opens(t, k, sealed, "a") // a running server goes on reading
	_, err = k.Seal([]byte(token), "a")
	refused(t, err, problem.NotFound, "is not there") // and seals nothing that nobody can open later
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = secret.Load(secret.Place{Dir: dir})
	refused(t, err, problem.Conflict, "0644", "chmod 600")
	if _, err = secret.Load(secret.Place{File: path}); err != nil {
		t.Errorf("a mounted file has the mode that its deployment gave it: %v", err)
	}
}

func TestWrongFile(t *testing.T) {
	t.Parallel()
	_, dir := keys(t)
	good, err := os.ReadFile(filepath.Join(dir, secret.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no JSON":       token,
		"empty object":  "{}",
		"newer version": `{"version":2,"keyset":{"a":"` + token + `"}}`,
		"no keyset":     `{"version":1,"keyset":{"a":"` + token + `"}}`,
		"cut short":     string(good[:len(good)/2]),
		"a raw key":     strings.Replace(string(good), "TINK", "RAW", 1),
		"a broken key":  strings.Replace(string(good), `"value": "`, `"value": "AAAA`, 1),
		"a bad number":  strings.Replace(string(good), `"version": 1,`, `"version": 1, "retired": {"x": "2026-01-31T12:00:00Z"},`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := secret.Load(secret.Place{Text: text})
			refused(t, err, problem.Invalid, "the environment")
		})
	}
}

// Another process rotates; the one that runs opens and seals with the new key
// without a restart.
func TestRotate(t *testing.T) {
	t.Parallel()
	server, dir := keys(t)
	first := seal(t, server, "a")
	command, err := secret.Load(secret.Place{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	id, err := command.Rotate(noon)
	if err != nil {
		t.Fatal(err)
	}
	second := seal(t, command, "a")
	if got, _ := secret.KeyOf(second); got != id {
		t.Errorf("sealed with %d, the new key is %d", got, id)
	}
	opens(t, server, second, "a")
	opens(t, server, first, "a")
	third := seal(t, server, "a")
	if !server.Current(third) || server.Current(first) {
		t.Error("the server still seals with the old key")
	}

	old, _ := secret.KeyOf(first)
	prune := func(now time.Time, inUse ...uint32) (int, time.Time) {
		t.Helper()
		n, next, err := command.Prune(now, inUse)
		if err != nil {
			t.Fatal(err)
		}
		return n, next
	}
	if n, next := prune(noon.Add(secret.Linger - time.Second)); n != 0 || !next.Equal(noon.Add(secret.Linger)) {
		t.Errorf("dropped %d, next %s", n, next)
	}
	if n, next := prune(noon.Add(secret.Linger), old); n != 0 || !next.IsZero() {
		t.Errorf("dropped %d that are in use, next %s", n, next)
	}
	opens(t, server, first, "a")
	if n, next := prune(noon.Add(secret.Linger)); n != 1 || !next.IsZero() {
		t.Errorf("dropped %d, next %s", n, next)
	}
	_, err = server.Open(first, "a")
	refused(t, err, problem.Internal, fmt.Sprint(old))
	opens(t, server, third, "a")
	if n, _ := prune(noon.Add(100 * time.Hour)); n != 0 {
		t.Error("the last key was dropped")
	}

	text, err := os.ReadFile(filepath.Join(dir, secret.FileName))
	if err != nil {
		t.Fatal(err)
	}
	given, err := secret.Load(secret.Place{Text: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	opens(t, given, third, "a")
	_, err = given.Rotate(noon)
	refused(t, err, problem.Invalid, "--seal-key-file")
}

func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	k, dir := keys(t)
	var all [][]byte
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 8 {
		wg.Go(func() {
			mine, err := secret.Load(secret.Place{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := mine.Rotate(noon); err != nil {
				t.Error(err)
			}
			sealed, err := mine.Seal([]byte(token), "a")
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, sealed)
		})
	}
	wg.Wait()
	for _, sealed := range all {
		opens(t, k, sealed, "a")
	}
}

func TestReseal(t *testing.T) {
	t.Parallel()
	k, _ := keys(t)
	put := func(about string) string {
		t.Helper()
		s, err := k.Put([]byte(token), about)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	one, two, moved := put("one"), put("two"), strings.Replace(put("x"), `"x"`, `"y"`, 1)
	bare, err := json.Marshal(seal(t, k, "bare"))
	if err != nil {
		t.Fatal(err)
	}
	oldKey, _ := secret.KeyOf(seal(t, k, "a"))
	if _, err := k.Rotate(noon); err != nil {
		t.Fatal(err)
	}
	fresh := put("one")
	const rest = `{ "z": 1.50, "a": "<&>", "n": 12345678901234567890, "s": %s, "l": [%s] }`
	for name, c := range map[string]struct {
		document string
		count    int
		left     []uint32
	}{
		"two":                   {fmt.Sprintf(rest, one, two), 2, nil},
		"the same twice":        {fmt.Sprintf(rest, one, one), 1, nil},
		"current":               {fmt.Sprintf(rest, fresh, `"x"`), 0, nil},
		"moved":                 {fmt.Sprintf(rest, one, moved), 1, []uint32{oldKey}},
		"in no Sealed":          {fmt.Sprintf(rest, two, bare), 1, []uint32{oldKey}},
		"escaped":               {fmt.Sprintf(rest, strings.Replace(one, `:"A`, `:"\u0041`, 1), "1"), 0, []uint32{oldKey}},
		"nothing":               {`{"$sealed":"x","about":1}`, 0, nil},
		"no JSON":               {`{`, 0, nil},
		"something else sealed": {`{"$sealed":[1,{"$sealed":null}]}`, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := k.Reseal([]byte(c.document))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{c.count, c.left}, []any{got.Count, got.Left}); diff != "" {
				t.Error(diff)
			}
			if (c.count == 0) != (c.document == string(got.Document)) || len(c.document) != len(got.Document) {
				t.Errorf("became %s", got.Document)
			}
			again, err := k.Reseal(got.Document)
			if err != nil || again.Count != 0 || !bytes.Equal(again.Document, got.Document) {
				t.Errorf("a second time: %d, %v", again.Count, err)
			}
			if c.count == 0 {
				return
			}
			var doc struct{ S secret.Sealed }
			if err := json.Unmarshal(got.Document, &doc); err != nil {
				t.Fatal(err)
			}
			opens(t, k, doc.S.Text, doc.S.About)
			if !k.Current(doc.S.Text) {
				t.Error("still sealed with the old key")
			}
		})
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	k, dir := keys(t)
	seal(t, k, "a")
	text, err := os.ReadFile(filepath.Join(dir, secret.FileName))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keyset struct {
			Key []struct{ KeyData struct{ Value []byte } }
		}
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Keyset.Key) != 1 || len(file.Keyset.Key[0].KeyData.Value) < 32 {
		t.Fatalf("%s, %v", text, err)
	}
	given, err := secret.Load(secret.Place{Text: string(text)})
	if err != nil {
		t.Fatal(err)
	}
	value := file.Keyset.Key[0].KeyData.Value
	for _, k := range []*secret.Keys{k, given} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "keys", k)
		encoded, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		for _, printed := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %d %x %q", k, k, k, k, k, k, k), log.String(), string(encoded)} {
			for _, form := range []string{string(value[2:]), fmt.Sprintf("%x", value[2:]), fmt.Sprint(value[2:12])[1:20], "key\":[", "keyData"} {
				if strings.Contains(printed, form) {
					t.Errorf("%q shows a key", printed)
				}
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, _ := keys(f)
	sealed := seal(f, k, "a")
	f.Add(sealed, "a")
	f.Add(sealed[:20], "a")
	f.Add([]byte(token), "")
	f.Fuzz(func(t *testing.T, text []byte, about string) {
		plain, err := k.Open(text, about)
		if err == nil && string(plain) != token {
			t.Errorf("a forged text opened as %q", plain)
		}
	})
}

func FuzzReseal(f *testing.F) {
	k, _ := keys(f)
	s, err := k.Put([]byte(token), "a")
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := k.Rotate(noon); err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`[{"$sealed":"AQ==","about":"a"},[{}]]`))
	f.Add([]byte(`{"n":4E606}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := k.Reseal(document)
		if err != nil {
			t.Fatal(err)
		}
		if json.Valid(document) != json.Valid(got.Document) {
			t.Errorf("%q became %q", document, got.Document)
		}
	})
}
