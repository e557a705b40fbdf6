package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// Keys that open nothing or little.
const (
	unknownKey  = "sk_test_51Nq8rTu7BwoK3vY6cHs0JfPa"
	expiredKey  = "rk_test_51Nq8rTe5GxhR7tW1xKd5MuEz"
	elsewhere   = "rk_test_51Nq8rTl9CqaE2bN8qRv4Lo"
	powerless   = "rk_test_51Nq8rTp2DvnS9mS3jXi6Ty"
	publishable = "pk_test_51Nq8rTb6FymU0hU7wAe1"
	signing     = "whsec_51Nq8rTs4IruO5kO2pZl8QgVb"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	long(t)
	keys := map[string]stripesim.Key{
		expiredKey: {Expired: true}, elsewhere: {IPRefused: true},
		powerless: {Permissions: []string{}},
	}
	s := openShop(t, small(keys), nil)
	platform := small(keys)
	platform.Platform = true
	p := openShop(t, platform, nil)

	tests := []struct {
		name   string
		shop   *shop
		key    string
		args   []string
		stdin  string
		status int
		words  []string
	}{
		{name: "no key", status: 2, words: []string{"no Stripe key was given", "STRIPE_API_KEY", "--key-file"}},
		{name: "publishable key", key: publishable, status: 2, words: []string{"publishable key", "restricted key"}},
		{name: "webhook secret", key: signing, status: 2, words: []string{"signing secret of a webhook", "restricted key"}},
		{name: "two keys", key: goodKey + " " + goodKey, status: 2, words: []string{"exactly one key"}},
		{name: "empty standard input", args: []string{"--key-file", "-"}, status: 2, words: []string{"the Stripe key is empty"}},
		{name: "no such key file", args: []string{"--key-file", "/nowhere/key"}, status: 2, words: []string{"/nowhere/key", "no such file"}},
		{name: "key for a file's name", args: []string{"--key-file", goodKey}, status: 2, words: []string{"key file can't be read"}},
		{name: "key as an argument", key: goodKey, args: []string{goodKey}, status: 2, words: []string{"unexpected argument"}},
		{name: "key for an account", key: goodKey, args: []string{"--account", goodKey}, status: 2, words: []string{"not an account id", "acct_"}},
		{name: "unknown key", key: unknownKey, status: 4, words: []string{"did not accept the key", "dashboard.stripe.com/apikeys"}},
		{name: "unknown key, told at length", key: unknownKey, args: []string{"--output", "json"}, status: 4, words: []string{"did not accept the key"}},
		{name: "no key at all", key: "correct-horse-battery-staple", status: 4, words: []string{"did not accept the key"}},
		{name: "expired key", key: expiredKey, status: 4, words: []string{"rolled or has expired", "Make a new key"}},
		{name: "refused address", key: elsewhere, status: 4, words: []string{"only from listed addresses", "127.0.0.1"}},
		{name: "no permission at all", key: powerless, status: 4, words: []string{
			"lacks permissions", "rak_charge_read", "rak_subscription_read", "rak_refund_read",
			"rak_balance_transaction_source_read", "rak_customer_read", "rak_plan_read", "rak_event_read", "Read",
		}},
		{name: "wrong account", shop: p, key: goodKey, args: []string{"--account", "acct_1Other"}, status: 4, words: []string{"acct_1Other", "does not exist or the key has no access"}},
		{name: "no platform", key: goodKey, args: []string{"--account", "acct_1Other"}, status: 4, words: []string{"not a Connect platform's", "Leave the account id empty"}},
		{name: "key in the address", key: goodKey, args: []string{"--stripe-url", "https://" + goodKey + "@api.stripe.com"}, status: 2, words: []string{"https://api.stripe.com"}},
		{name: "day to come", key: goodKey, args: []string{"--since", "2926-01-31"}, status: 2, words: []string{"2926-01-31", "future"}},
		{name: "unknown output", key: goodKey, args: []string{"--output", "xml"}, status: 2, words: []string{"--output", "xml"}},
		{name: "no directory", key: goodKey, args: []string{"--dir", ""}, status: 2, words: []string{"directory is empty", "--dir"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "copy")
			at := s
			if tt.shop != nil {
				at = tt.shop
			}
			c := at.with(tt.key).sync(dir, tt.args...)
			if tt.key == "" {
				c.env = nil
			}
			o := c.run(t)
			o.sentence(t, tt.status, tt.words...)
			secret := tt.key
			if secret == "" {
				secret = goodKey
			}
			silent(t, o, filepath.Dir(dir), secret)
			absent(t, dir)
			if told := slices.Contains(tt.args, "json"); told != (o.stdout != "") {
				t.Errorf("printed %q", o.stdout)
			}
		})
	}
}

// TestFlags gives flags values that they can't have.
func TestFlags(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(goodKey), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		arg   string
		words []string
	}{
		{"--rate-share=0", []string{"rate share 0 ", "at most 1"}},
		{"--rate-share=1.01", []string{"rate share 1.01 "}},
		{"--rate-share=-0.5", []string{"rate share -0.5 "}},
		{"--rate-share=NaN", []string{"rate share NaN "}},
		{"--rate-share=half", []string{"--rate-share", "half"}},
		{"--rate-limit=100", []string{"--rate-limit", "100/25"}},
		{"--rate-limit=0/0", []string{"--rate-limit", "100/25"}},
		{"--rate-limit=-1/25", []string{"--rate-limit", "100/25"}},
		{"--rate-limit=NaN/NaN", []string{"--rate-limit", "100/25"}},
		{"--rate-limit=Inf/25", []string{"--rate-limit", "none"}},
		{"--since=yesterday", []string{"--since", "yesterday", "2026-01-31"}},
		{"--since=2026-02-30", []string{"--since", "2026-01-31"}},
		{"--resources=charges,payouts", []string{"payouts", "balance_transactions"}},
		{"--stripe-url=api.stripe.com", []string{"https://api.stripe.com"}},
		{"--fast", []string{"--fast"}},
	}
	for _, tt := range tests {
		t.Run(tt.arg, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "copy")
			var c cli
			parser, err := kong.New(&c)
			if err != nil {
				t.Fatal(err)
			}
			var s app.Sync
			_, err = parser.Parse([]string{"sync", "--dir", dir, "--key-file", key, "--stripe-url", "http://127.0.0.1:1", tt.arg})
			if err == nil {
				s, err = c.Sync.pass()
				if err == nil {
					_, err = s.Run(t.Context())
				}
				if status := app.ExitStatusOf(err); status != app.ExitUsage {
					t.Errorf("status %d", status)
				}
			}
			for _, w := range tt.words {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("%q is missing: %v", w, err)
				}
			}
			absent(t, dir)
		})
	}
}

// TestElsewhere asks hosts that are not Stripe.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	page := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<html>Please log in, "+r.Header.Get("Authorization")+"</html>")
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	plain := page(http.StatusOK)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	noise := "://" + babble(t)
	tests := []struct {
		name, url string
		status    int
		words     []string
	}{
		{"nobody", closed.URL, 4, []string{"cannot be reached: connection refused", "Check the network"}},
		{"a page", plain, 4, []string{"something that is not Stripe's API answered", "Check the Stripe URL"}},
		{"no such page", page(http.StatusNotFound), 2, []string{"something that is not Stripe's API answered", "Check the Stripe URL"}},
		{"a page that forbids", page(http.StatusForbidden), 4, []string{"something that is not Stripe's API answered"}},
		{"no TLS", strings.Replace(plain, "http:", "https:", 1), 2, []string{"no secure connection", "Check the Stripe URL"}},
		{"unknown certificate", secure.URL, 2, []string{"no secure connection", "certificate"}},
		{"TLS without asking", strings.Replace(secure.URL, "https:", "http:", 1), 2, []string{"not Stripe's API"}},
		{"noise", "http" + noise, 4, []string{"broke", "Check the network"}},
		{"noise for TLS", "https" + noise, 2, []string{"no secure connection"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "copy")
			o := command{args: []string{"sync", "--dir", dir, "--stripe-url", tt.url, "-v"}, env: []string{"STRIPE_API_KEY=" + goodKey}}.run(t)
			var complaint []string
			for line := range strings.Lines(o.stderr) {
				if !strings.HasPrefix(line, "time=") { // the log that -v asks for
					complaint = append(complaint, line)
				}
			}
			silent(t, o, filepath.Dir(dir), goodKey)
			o.stderr = strings.Join(complaint, "")
			o.sentence(t, tt.status, tt.words...)
			absent(t, dir)
		})
	}
}

// babble serves bytes that are neither HTTP nor TLS.
func babble(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, conn, 1)
			_, _ = io.WriteString(conn, "\x00\x01\x02 220 who is there?\r\n")
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// TestOtherAccount offers keys to a directory that they are not for.
func TestOtherAccount(t *testing.T) {
	t.Parallel()
	long(t)
	const liveKey, otherKey = "sk_live_51Nq8rTv8WjkNc4nJ8yDb2HvMk7", "sk_test_51Nq8rTo1ZgdPs6gL1uQf9XtCa"
	s := openShop(t, small(map[string]stripesim.Key{expiredKey: {Expired: true}, liveKey: {}, powerless: {Permissions: []string{}}}), nil)
	cfg := small(map[string]stripesim.Key{otherKey: {}})
	cfg.AccountID = "acct_1ZzOtherShopAb"
	other := openShop(t, cfg, nil)
	id, _ := s.Account()

	dir := filepath.Join(t.TempDir(), "copy")
	o := complete(t, s.sync(dir, "-v", "--resources", "customers,refunds"))
	silent(t, o, dir, goodKey)
	// The same scan finds what is there.
	found := map[string]bool{}
	for name, data := range everything(t, o, dir) {
		if len(leaks(data, id)) > 0 {
			found[strings.TrimPrefix(name, dir)] = true
		}
	}
	if !found["stdout"] || !found["/tributary.db"] {
		t.Errorf("the account's id was found in %v only", found)
	}
	before := datasets(t, dir)
	tests := []struct {
		name  string
		shop  *shop
		words []string
	}{
		{"another account", other.with(otherKey), []string{"belongs to the Stripe account " + id, "acct_1ZzOtherShopAb", "--dir"}},
		{"the other mode", s.with(liveKey), []string{"test mode", "live mode", "--dir"}},
		{"unknown key", s.with(unknownKey), []string{"did not accept the key"}},
		{"expired key", s.with(expiredKey), []string{"rolled or has expired"}},
		{"powerless key", s.with(powerless), []string{"lacks permissions"}},
	}
	for _, tt := range tests {
		o := tt.shop.sync(dir, "--resources", "customers,refunds").run(t)
		o.sentence(t, app.ExitFailed, tt.words...)
		silent(t, o, dir, tt.shop.key)
	}
	if d := cmp.Diff(before, datasets(t, dir)); d != "" {
		t.Errorf("the tables changed:\n%s", d)
	}
	o = complete(t, s.sync(dir, "--resources", "customers,refunds"))
	silent(t, o, dir, goodKey)
	if d := cmp.Diff(before, datasets(t, dir)); d != "" {
		t.Errorf("a second sync changed the tables:\n%s", d)
	}
	s.exact(t, dir, stripesim.Customers, stripesim.Refunds)
}

// datasets lists the tables, without what a checkpoint moves.
func datasets(t *testing.T, dir string) []app.Dataset {
	t.Helper()
	list, err := app.Datasets(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i].MetadataLocation = ""
	}
	return list
}

// Without its database nobody knows whose the tables are, and what of an object
// may be kept.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	s := openShop(t, small(nil), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	rules := command{args: []string{"privacy", "set", "--dir", dir, "-"}, stdin: `{"rules":[{"resource":"*","path":"**.email","do":"drop"}]}`}
	complete(t, rules)
	complete(t, s.sync(dir, "--resources", "customers"))
	for _, name := range []string{"tributary.db", "tributary.db-wal", "tributary.db-shm"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	s.sync(dir, "--resources", "customers").run(t).sentence(t, app.ExitFailed, "tributary.db is gone", "Put the database back")
}

// A key that may not read events is told of in every pass: the copy gets old.
func TestNoEvents(t *testing.T) {
	t.Parallel()
	const key = "rk_test_51Nq8rTq7VtnWs2cR6bYp4HdKe9Mz"
	s := openShop(t, small(map[string]stripesim.Key{key: {Permissions: []string{"refund_read", "customer_read", "connected_account_read"}}}), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	for n := range 2 {
		o := complete(t, s.with(key).sync(dir, "--resources", "customers,refunds"))
		if strings.Count(o.stdout, "the key may not read events") != 1 || !strings.Contains(o.stdout, "rak_event_read") {
			t.Errorf("pass %d: %s", n, o)
		}
	}
}

// TestRestricted reads with keys that lack permissions for some of it.
func TestRestricted(t *testing.T) {
	t.Parallel()
	long(t)
	const one, several = "rk_test_51Nq8rTm5UteHx8dE4wGz1TaLf6Oi", "rk_test_51Nq8rTf3RxbQh3kV9sPb7NcYm2Jq"
	s := openShop(t, small(map[string]stripesim.Key{
		one:     {Permissions: []string{"charge_read", "subscription_read", "balance_transaction_source_read", "customer_read", "plan_read", "event_read"}},
		several: {Permissions: []string{"customer_read"}},
	}), nil)
	tests := []struct {
		name, key string
		resources []stripesim.Resource
		refused   []stripesim.Resource
		sentence  []string
	}{
		{
			"one is missing", one,
			[]stripesim.Resource{stripesim.Customers, stripesim.Refunds},
			[]stripesim.Resource{stripesim.Refunds},
			[]string{"\nrefunds: the key lacks permissions: Refunds ", " (rak_refund_read). Edit the key at "},
		},
		{
			"several are missing", several,
			[]stripesim.Resource{stripesim.Subscriptions, stripesim.Refunds, stripesim.Customers, stripesim.Prices},
			[]stripesim.Resource{stripesim.Subscriptions, stripesim.Refunds, stripesim.Prices},
			[]string{"\nsubscriptions, refunds, prices: the key lacks permissions: ", "rak_event_read", "rak_plan_read", "rak_refund_read", "rak_subscription_read"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, r := range tt.resources {
				names = append(names, string(r))
			}
			dir := filepath.Join(t.TempDir(), "copy")
			o := s.with(tt.key).sync(dir, "--resources", strings.Join(names, ",")).run(t)
			if o.status != app.ExitPartial || strings.Count(o.stdout, "lacks") != 1 {
				t.Errorf("want status %d and one sentence: %s", app.ExitPartial, o)
			}
			for _, w := range tt.sentence {
				if !strings.Contains(o.stdout, w) {
					t.Errorf("%q is missing: %s", w, o)
				}
			}
			silent(t, o, dir, tt.key)
			s.exact(t, dir, stripesim.Customers)
			for _, r := range tt.refused {
				if n := len(ids(t, dir, string(r))); n != 0 {
					t.Errorf("%d %s landed", n, r)
				}
			}
			complete(t, s.sync(dir, "--resources", strings.Join(names, ",")))
			s.exact(t, dir, tt.resources...)
		})
	}
}

// TestDirectories offers directories that can't be used.
func TestDirectories(t *testing.T) {
	t.Parallel()
	s := openShop(t, small(nil), nil)
	file := func(t *testing.T, path string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte("in the way"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	folder := func(t *testing.T, path string) string {
		t.Helper()
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name string
		// obstruct puts an obstacle into the way of dir, and names it.
		obstruct func(t *testing.T, dir string) (obstacle string)
	}{
		{"a file", file},
		{"below a file", func(t *testing.T, dir string) string { return file(t, filepath.Dir(dir)) }},
		{"a folder for the lock", func(t *testing.T, dir string) string { return folder(t, filepath.Join(dir, "lock")) }},
		{"a folder for the database", func(t *testing.T, dir string) string { return folder(t, filepath.Join(dir, "tributary.db")) }},
		{"a file for the index", func(t *testing.T, dir string) string { return file(t, filepath.Join(folder(t, dir), "index")) }},
		{"a file for the lake", func(t *testing.T, dir string) string { return file(t, filepath.Join(folder(t, dir), "lake")) }},
		{"a folder for the catalog", func(t *testing.T, dir string) string {
			return folder(t, filepath.Join(dir, "lake", "catalog.db"))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "there", "copy")
			folder(t, filepath.Dir(dir))
			if tt.name == "below a file" {
				if err := os.Remove(filepath.Dir(dir)); err != nil {
					t.Fatal(err)
				}
			}
			obstacle := tt.obstruct(t, dir)
			o := s.sync(dir).run(t)
			o.sentence(t, app.ExitFailed, filepath.Dir(dir), "--dir")
			silent(t, o, filepath.Dir(dir), goodKey)
			if err := os.Remove(obstacle); err != nil {
				t.Fatal(err)
			}
			complete(t, s.sync(dir, "--resources", "refunds"))
			s.exact(t, dir, stripesim.Refunds)
		})
	}
}
