package stripe

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Mode says which half of an account a key opens. Objects of one mode are
// invisible to the other.
type Mode uint8

// The modes. A token whose form tells nothing has an unknown one.
const (
	Unknown Mode = iota
	Live
	Test
)

func (m Mode) String() string {
	switch m {
	case Live:
		return "live"
	case Test:
		return "test"
	default:
		return "unknown"
	}
}

// A Key is a secret or restricted key or an OAuth token. Whatever prints it
// shows at most its prefix and its last four characters.
type Key struct {
	secret *string // behind a pointer, so that printing a struct that holds a Key shows an address
}

const (
	maxKey  = 4096 // longest token taken for a key; OAuth tokens have no documented length
	hidden  = "***"
	partial = 8 // shortest piece of a key that is worth hiding
)

// ParseKey takes what a user pasted, trimmed. It accepts any token that can be
// sent, because Stripe's set of prefixes is open; it refuses what is surely
// something else. Its errors never repeat the text.
func ParseKey(text string) (Key, error) {
	s := strings.TrimSpace(text)
	const copyKey = "Copy a secret (sk_…) or, better, a restricted key (rk_…) from the Stripe Dashboard, Developers, API keys."
	refuse := func(detail, advice string) (Key, error) {
		return Key{}, &problem.Error{Kind: problem.Invalid, Detail: detail, Advice: advice}
	}
	switch {
	case s == "":
		return refuse("the Stripe key is empty", copyKey)
	case strings.HasPrefix(s, "pk_"):
		return refuse("this is a publishable key, which cannot read data", copyKey)
	case strings.HasPrefix(s, "whsec_"):
		return refuse("this is the signing secret of a webhook, not a key", copyKey)
	case len(s) > maxKey:
		return refuse(fmt.Sprintf("the Stripe key is %d characters long, so it is not a key", len(s)), copyKey)
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return refuse("the Stripe key has a space, a line break or an odd character inside", "Paste exactly one key and nothing else.")
	}
	return Key{secret: &s}, nil
}

// Mode tells live from test by the key's form.
func (k Key) Mode() Mode {
	for i, part := range strings.SplitN(k.value(), "_", 4) {
		switch {
		case i == 0 || i == 3:
		case part == "live":
			return Live
		case part == "test":
			return Test
		}
	}
	return Unknown
}

// IsZero reports whether k holds no key.
func (k Key) IsZero() bool { return k.secret == nil }

var keyPrefix = regexp.MustCompile(`^[a-z]{2,6}_(?:org_)?(?:live|test)_`)

// String returns the key masked, like sk_live_…4242.
func (k Key) String() string {
	if k.IsZero() {
		return "(no key)"
	}
	s := k.value()
	prefix := keyPrefix.FindString(s)
	if len(s)-len(prefix) < 12 {
		return prefix + "…"
	}
	return prefix + "…" + s[len(s)-4:]
}

// Format prints the key masked for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// GoString returns the key masked.
func (k Key) GoString() string { return k.String() }

// LogValue returns the key masked.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns the key masked: a Key cannot be stored by marshalling it.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k Key) value() string {
	if k.secret == nil {
		return ""
	}
	return *k.secret
}

var (
	keyShaped = regexp.MustCompile(`[a-z]{2,6}_(?:org_)?(?:live|test)_[A-Za-z0-9_*]+|\b(?:sk|rk|pk|whsec|rkcs|skcs|pkcs|tdk)_[A-Za-z0-9_*]+`)
	starred   = regexp.MustCompile(`[A-Za-z0-9_.\-]*\*{3,}[A-Za-z0-9_.\-*]*`) // as Stripe masks the keys it repeats
)

// Redact returns text without anything that looks like a key, masked or not, be it
// Stripe's or one of ours.
func Redact(text string) string {
	return starred.ReplaceAllLiteralString(keyShaped.ReplaceAllLiteralString(text, hidden), hidden)
}

// Redact is the function Redact; besides, it hides k itself and every piece of
// k of eight or more characters, whatever k looks like.
func (k Key) Redact(text string) string {
	s := k.value()
	if s == "" {
		return Redact(text)
	}
	least := min(partial, len(s))
	var out strings.Builder
	for rest := text; rest != ""; {
		if len(rest) < least || !strings.Contains(s, rest[:least]) {
			out.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		n := least
		for n < len(rest) && strings.Contains(s, rest[:n+1]) {
			n++
		}
		out.WriteString(hidden)
		rest = rest[n:]
	}
	text = Redact(out.String())
	// Only a key of stars can still be in there: it is made of what hides it.
	for strings.Contains(text, s) {
		text = strings.ReplaceAll(text, s, "")
	}
	return text
}
