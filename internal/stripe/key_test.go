package stripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/problem"
)

// secret is the unique part of the keys of these tests.
const secret = "51Hx9QfTbWm3Zk7RcYpL2Jv8NdSaGeXu4242"

const liveKey = "sk_live_" + secret

func mustKey(t testing.TB, text string) Key {
	t.Helper()
	k, err := ParseKey(text)
	if err != nil {
		t.Fatalf("ParseKey: %v", err)
	}
	return k
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		mode       Mode
		mask       string
		refused    string // part of the error
	}{
		{name: "secret live", text: liveKey, mode: Live, mask: "sk_live_…4242"},
		{name: "trimmed", text: " \t" + liveKey + "\r\n", mode: Live, mask: "sk_live_…4242"},
		{name: "restricted test", text: "rk_test_" + secret, mode: Test, mask: "rk_test_…4242"},
		{name: "other prefix", text: "rkcs_test_" + secret, mode: Test, mask: "rkcs_test_…4242"},
		{name: "organisation", text: "sk_org_live_" + secret, mode: Live, mask: "sk_org_live_…4242"},
		{name: "short", text: "sk_test_123", mode: Test, mask: "sk_test_…"},
		{name: "oauth token", text: secret, mode: Unknown, mask: "…4242"},
		{name: "live inside the secret part", text: "sk_test_live_0123456789abc", mode: Test, mask: "sk_test_…9abc"},
		{name: "empty", text: " \n", refused: "empty"},
		{name: "publishable", text: "pk_live_" + secret, refused: "publishable"},
		{name: "webhook secret", text: "whsec_" + secret, refused: "webhook"},
		{name: "two lines", text: "sk_live_" + secret + "\nsk_live_x", refused: "line break"},
		{name: "not ascii", text: "sk_live_" + secret + "é", refused: "odd character"},
		{name: "a file", text: strings.Repeat(secret, 200), refused: "7200 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k, err := ParseKey(tt.text)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || problem.KindOf(err) != problem.Invalid {
					t.Fatalf("error %v, want an invalid one with %q", err, tt.refused)
				}
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats the text: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if k.Mode() != tt.mode || k.String() != tt.mask {
				t.Errorf("mode %v, mask %q; want %v, %q", k.Mode(), k, tt.mode, tt.mask)
			}
		})
	}
}

func TestKeyNeverPrints(t *testing.T) {
	t.Parallel()
	k := mustKey(t, liveKey)
	hiding := struct {
		name string
		key  Key
	}{"x", k}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%p"} {
		fmt.Fprintf(&out, verb+"\n", k)
		fmt.Fprintf(&out, verb+"\n", &k)
		fmt.Fprintf(&out, verb+"\n", hiding)
		fmt.Fprintf(&out, verb+"\n", []Key{k})
		fmt.Fprintf(&out, verb+"\n", &Client{Key: k})
	}
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("x", "key", k, "hiding", hiding, "pointer", &k)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "hiding", hiding)
	if err := json.NewEncoder(&out).Encode(map[string]any{"k": k, "in": struct{ Key Key }{k}}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, secret[:12]) || strings.Contains(got, fmt.Sprintf("%x", secret[:12])) {
		t.Errorf("printed the key:\n%s", got)
	}
	if !strings.Contains(out.String(), `"key":"sk_live_…4242"`) {
		t.Errorf("no masked key in\n%s", out.String())
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	odd := mustKey(t, "correct-horse:battery")
	tests := []struct {
		name string
		key  Key
		text string
		want string
	}{
		{"another's key", Key{}, "Invalid API Key provided: sk_test_abc123 (x)", "Invalid API Key provided: *** (x)"},
		{"masked by Stripe", Key{}, "Expired API Key provided: rk_live_****123", "Expired API Key provided: ***"},
		{"masked without a prefix", Key{}, "provided: corr*****tery!", "provided: ***!"},
		{"quoted", Key{}, "The provided key 'rk_test_abc' lacks 'rak_charge_read'", "The provided key '***' lacks 'rak_charge_read'"},
		{"inside a word", Key{}, "keysk_live_abc", "***"},
		{"webhook secret", Key{}, "whsec_abc=", "***="},
		{"words that look a little like one", Key{}, "risk_reserved task_force pk", "risk_reserved task_force pk"},
		{"itself", odd, "got 'correct-horse:battery'", "got '***'"},
		{"a piece of itself", odd, "got 'horse:bat'", "got '***'"},
		{"a short piece", odd, "a horse", "a horse"},
		{"twice", odd, "correct-horse:batterycorrect-horse:battery", "***"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.key.Redact(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzRedact(f *testing.F) {
	f.Add(liveKey, "Invalid API Key provided: ", ".")
	f.Add("x***y", "x", "y")
	f.Add("**", "*", "")
	f.Add("abab", "ab", "ab")
	f.Add("hunter2", "the password is '", "'")
	f.Add(strings.Repeat("a", 100), "aa", "a")
	f.Fuzz(func(t *testing.T, key, before, after string) {
		k, err := ParseKey(key)
		if err != nil || len(before)+len(after) > 2000 {
			return
		}
		text := before + k.value() + after
		if got := k.Redact(text); strings.Contains(got, k.value()) {
			t.Errorf("%q is in %q", k.value(), got)
		}
		if got := message(k, "x: "+text); strings.Contains(got, k.value()) {
			t.Errorf("%q is in the message %q", k.value(), got)
		}
		if len(k.value()) > 12 && strings.Contains(k.String(), k.value()) {
			t.Errorf("%q is its own mask", k.value())
		}
	})
}
