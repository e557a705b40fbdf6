package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader is the header with which Stripe signs what it sends
// (https://docs.stripe.com/webhooks/signature).
const SignatureHeader = "Stripe-Signature"

// SignatureTolerance is how far, by Stripe's clock, the time of a signature may
// be from now: what was sent earlier may be somebody's recording.
const SignatureTolerance = 5 * time.Minute

// A SignatureRefusal says why a payload is not taken for Stripe's. It repeats
// nothing of what was sent.
type SignatureRefusal string

// The refusals. Only one who knows a secret gets past the first three.
const (
	SignatureMissing   SignatureRefusal = "no signature"
	SignatureMalformed SignatureRefusal = "a signature that can't be read"
	SignatureForged    SignatureRefusal = "a signature by none of the secrets"
	SignatureStale     SignatureRefusal = "a signature that is too old"
	SignatureEarly     SignatureRefusal = "a signature from the future"
)

func (r SignatureRefusal) Error() string { return string(r) }

// Bounds of a header that is worth reading: Stripe sends one signature for each
// secret in use, two while one is being replaced.
const (
	maxSignatureHeader = 4096
	maxSignatures      = 16
)

// VerifySignature checks that one of the secrets signed payload, the raw body,
// at most tolerance before or after now, which is Stripe's time. A tolerance
// of zero or less means SignatureTolerance: the check can't be left out. It
// returns a SignatureRefusal, or nil.
//
//	Stripe-Signature: t=1492774577,v1=5257a8…,v1=6ffbb5…,v0=1b8a…
func VerifySignature(payload []byte, header string, secrets []Secret, now time.Time, tolerance time.Duration) error {
	if header == "" {
		return SignatureMissing
	}
	stamp, signatures, ok := parseSignature(header)
	if !ok {
		return SignatureMalformed
	}
	if !signed(payload, stamp, signatures, secrets) {
		return SignatureForged
	}
	// The text is what was signed; that it is a number was checked above.
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return SignatureMalformed
	}
	if tolerance <= 0 {
		tolerance = SignatureTolerance
	}
	slack := int64(tolerance / time.Second)
	switch at := now.Unix(); {
	case unix < at-slack:
		return SignatureStale
	case unix > at+slack:
		return SignatureEarly
	}
	return nil
}

// parseSignature takes the header apart: the time as it was signed, and the
// signatures of scheme v1, 32 bytes each. Other schemes are passed over, so
// that nobody can ask for a weaker one.
func parseSignature(header string) (stamp string, signatures [][]byte, ok bool) {
	if len(header) > maxSignatureHeader {
		return "", nil, false
	}
	for part := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !found:
			return "", nil, false
		case name == "t":
			if stamp != "" || !isTimestamp(value) {
				return "", nil, false
			}
			stamp = value
		case name == "v1":
			// One that can't be right does not spoil the others.
			if mac, err := hex.DecodeString(value); err == nil && len(mac) == sha256.Size && len(signatures) < maxSignatures {
				signatures = append(signatures, mac)
			}
		}
	}
	return stamp, signatures, stamp != "" && len(signatures) > 0
}

// isTimestamp reports whether text is a plain number of seconds.
func isTimestamp(text string) bool {
	return len(text) > 0 && len(text) <= 12 && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// signed reports whether one of the secrets made one of the signatures. It
// compares all of them, each in constant time.
func signed(payload []byte, stamp string, signatures [][]byte, secrets []Secret) bool {
	found := false
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		mac := hmac.New(sha256.New, []byte(s.Reveal()))
		mac.Write([]byte(stamp + "."))
		mac.Write(payload)
		want := mac.Sum(nil)
		for _, got := range signatures {
			if hmac.Equal(want, got) {
				found = true
			}
		}
	}
	return found
}
