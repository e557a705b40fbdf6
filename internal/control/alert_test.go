package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/secret"
)

// A plane that runs delivers what is told, to where the operator allows.
func TestAlerts(t *testing.T) {
	t.Parallel()
	arrived := make(chan []byte, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			arrived <- body
		}
	}))
	t.Cleanup(hook.Close)
	d, err := guard.ParseDestination(hook.URL, "webhooks of alerts")
	if err != nil {
		t.Fatal(err)
	}
	out := &guard.Outbound{Destinations: []guard.Destination{d}}
	dir := t.TempDir()
	c, err := control.Open(t.Context(), control.Config{Dir: dir, Seal: secret.Place{Dir: dir}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := c.Serve(t.Context(), control.Options{
		Log: slog.New(slog.DiscardHandler), Alerts: control.Alerts{Client: &http.Client{Transport: out.Transport()}, Allowed: out.Names},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())
	operator, err := c.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for url, allowed := range map[string]bool{hook.URL: true, "https://example.com": false} {
		if _, _, err := p.Alert.Subscribe(t.Context(), operator, alert.Subscription{Name: "n", Channel: alert.Webhook, URL: url, Enabled: true}); (err == nil) != allowed {
			t.Errorf("%s: %v", url, err)
		}
	}
	if err := p.Alert.Tell(t.Context(), operator, alert.Event{Kind: alert.RunFailure, Flow: "f", FlowName: "planted"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case body := <-arrived:
		if !bytes.Contains(body, []byte("planted")) {
			t.Errorf("%s", body)
		}
	case <-time.After(time.Minute):
		t.Error("in vain")
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
