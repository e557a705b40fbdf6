package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/guard"
)

// The flags of alerts name where they may go, and nothing else is reached.
func TestAlertFlags(t *testing.T) {
	t.Parallel()
	f := alertFlags{
		SMTP: "smtps://user:s3cret@Mail.Example.org", SMTPFrom: "alerts@example.org",
		AlertHosts: []string{"hooks.example.com", "hooks.example.com:8443", "http://localhost:9000"},
	}
	ways, all, err := f.ways(&guard.Outbound{})
	if err != nil {
		t.Fatal(err)
	}
	const hooks = "webhooks of alerts"
	want := []guard.Destination{
		{Host: "mail.example.org", Port: 465, Purpose: "mail of alerts"},
		{Host: "hooks.example.com", Port: 443, Purpose: hooks},
		{Host: "hooks.example.com", Port: 8443, Purpose: hooks},
		{Host: "localhost", Port: 9000, Purpose: hooks},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Error(diff)
	}
	for text, allowed := range map[string]bool{
		"https://hooks.example.com/x": true, "https://HOOKS.example.com:8443": true, "http://localhost:9000/": true,
		"http://hooks.example.com": false, "https://mail.example.org:465": false, "https://evil.example.com": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := ways.Allowed(u); (err == nil) != allowed {
			t.Errorf("%s: %v", text, err)
		}
	}
	if strings.Contains(fmt.Sprintf("%+v", ways.Mail), "s3cret") {
		t.Error("the password is told")
	}
}

func TestAlertFlagsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags alertFlags
		says  string
	}{
		{alertFlags{SMTP: "smtp://u:s3cret@h"}, "go together"},
		{alertFlags{SMTPFrom: "a@b.c"}, "go together"},
		{alertFlags{SMTP: "smtp://u:s3cret@", SMTPFrom: "a@b.c"}, "the URL of the mail server"},
		{alertFlags{AlertHosts: []string{"https://"}}, "--alert-hosts"},
	} {
		if _, _, err := tt.flags.ways(&guard.Outbound{}); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: %v", tt.says, err)
		}
	}
}

// A URL of the mail server that is wrong is refused before anything is made, and
// without a word of it.
func TestServeAlerts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := command{args: []string{"serve", "--dir", dir, "--listen", "127.0.0.1:0", "--smtp-from", "alerts@example.org"}, env: []string{"TRIBUTARY_SMTP_URL=smtp://user:s3cret@mail.example.org/x"}}
	o := c.run(t)
	if o.status != 2 || !strings.Contains(o.String(), "the URL of the mail server") || slices.ContainsFunc([]string{"s3cret", "user:"}, func(s string) bool { return strings.Contains(o.String(), s) }) {
		t.Error(o)
	}
}
