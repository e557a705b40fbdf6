package stripe

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Secret signs the events that are sent to a webhook endpoint. Whatever
// prints it shows that it is one, and no more.
type Secret struct {
	text *string // behind a pointer, so that printing a struct that holds a Secret shows an address
}

const (
	secretPrefix = "whsec_"
	leastSecret  = len(secretPrefix) + 8 // shorter ones could be guessed; Stripe's have 32 behind the prefix
)

// ParseSecret takes what a user pasted, trimmed. Its errors never repeat the
// text.
func ParseSecret(text string) (Secret, error) {
	s := strings.TrimSpace(text)
	refuse := func(detail string) (Secret, error) {
		return Secret{}, &problem.Error{
			Kind: problem.Invalid, Detail: detail,
			Advice: "Copy the signing secret (whsec_…) of the endpoint from the Stripe Dashboard, Developers, Webhooks.",
		}
	}
	switch {
	case s == "":
		return refuse("the signing secret is empty")
	case !strings.HasPrefix(s, secretPrefix):
		return refuse("this is not the signing secret of a webhook: those begin with " + secretPrefix)
	case len(s) < leastSecret:
		return refuse("the signing secret is too short, a part of it is missing")
	case len(s) > maxKey || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return refuse("the signing secret has a space, a line break or an odd character inside, or is too long")
	}
	return Secret{text: &s}, nil
}

// IsZero reports whether s holds no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both are the same secret.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

// Reveal returns the secret itself, for the one file that keeps it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns the secret masked.
func (s Secret) String() string {
	if s.IsZero() {
		return "(no secret)"
	}
	return secretPrefix + "…"
}

// Format prints the secret masked for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// GoString returns the secret masked.
func (s Secret) GoString() string { return s.String() }

// LogValue returns the secret masked.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the secret masked: it cannot be stored by marshalling it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
