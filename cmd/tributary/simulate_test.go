package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/problem"
)

func TestSimulateServes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, w := io.Pipe()
	c := SimulateCmd{Listen: "127.0.0.1:0", Charges: 50, Customers: 20, Subscriptions: 5, Prices: 5, LiveLimits: true, Account: "acct_1TestOfSimulate"}
	done := make(chan error, 1)
	go func() {
		err := c.serve(ctx, w)
		w.Close()
		done <- err
	}()
	var base, key string
	lines := bufio.NewScanner(r)
	for base == "" && lines.Scan() {
		if k, ok := strings.CutPrefix(lines.Text(), "key "); ok {
			key = k
		}
		base, _ = strings.CutPrefix(lines.Text(), "listening on ")
		if !strings.HasPrefix(base, "http://") {
			base = ""
		}
	}
	if base == "" {
		t.Fatalf("no ready line: %v", <-done)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/account", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var account struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&account); err != nil || account.ID != "acct_1TestOfSimulate" {
		t.Errorf("account %+v, %v", account, err)
	}
	if !strings.HasPrefix(key, "sk_live_") {
		t.Errorf("key %s", key)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestSimulateRefuses(t *testing.T) {
	t.Parallel()
	broken := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(broken, []byte(`{"rules":[{"action":"explode"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]SimulateCmd{
		"every interface": {Listen: ":12121"},
		"another machine": {Listen: "192.0.2.1:80"},
		"no port":         {Listen: "127.0.0.1"},
		"limits":          {Listen: "127.0.0.1:0", Limits: "fast"},
		"date":            {Listen: "127.0.0.1:0", End: "tomorrow"},
		"plan":            {Listen: "127.0.0.1:0", Faults: broken},
		"missing plan":    {Listen: "127.0.0.1:0", Faults: broken + "x"},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.serve(context.Background(), io.Discard)
			var p *problem.Error
			if !errors.As(err, &p) || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v", err)
			}
		})
	}
}
