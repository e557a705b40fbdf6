package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustSecret(t testing.TB, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(secret string, at int64, payload string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at, payload)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestVerifySignature(t *testing.T) {
	t.Parallel()
	const secret, old = "whsec_test_secret", "whsec_old_secret"
	const body = `{"id":"evt_1","object":"event","type":"charge.succeeded"}`
	const at = 1700000000
	// Vectors that another implementation made.
	const right = "ac1ab887a13a43f7e22e9eb21eab375b1f40446fa99ade9b6a94fca7f66acd38"
	const odd, oddRight = `{"id":"evt_2","object":"event","data":{"object":{"name":"김철수 ✓"}}}`, "f3eb380a37d18573931ee9f696b0cf8f227174d312f994a78a85796941f7e9bb"
	wrong := strings.Repeat("0", 64)
	tests := []struct {
		name    string
		body    string
		header  string
		secrets []string
		now     int64 // relative to at
		want    error
	}{
		{name: "right", header: "t=1700000000,v1=" + right},
		{name: "characters beyond ASCII", body: odd, header: "t=1700000000,v1=" + oddRight},
		{name: "spaces", header: "t=1700000000, v1=" + right},
		{name: "the second of two signatures", header: "t=1700000000,v1=" + wrong + ",v1=" + right},
		{name: "the second of two secrets", header: "t=1700000000,v1=" + right, secrets: []string{old, secret}},
		{name: "an unreadable signature beside a right one", header: "t=1700000000,v1=zz,v1=" + right + ",v0=" + wrong},
		{name: "upper case", header: "t=1700000000,v1=" + strings.ToUpper(right)},
		{name: "as old as allowed", header: "t=1700000000,v1=" + right, now: 300},
		{name: "as early as allowed", header: "t=1700000000,v1=" + right, now: -300},
		{name: "too old", header: "t=1700000000,v1=" + right, now: 301, want: SignatureStale},
		{name: "too early", header: "t=1700000000,v1=" + right, now: -301, want: SignatureEarly},
		{name: "another time than was signed", header: "t=1700000001,v1=" + right, want: SignatureForged},
		{name: "the same time in other words", header: "t=01700000000,v1=" + right, want: SignatureForged},
		{name: "another body", body: body + " ", header: "t=1700000000,v1=" + right, want: SignatureForged},
		{name: "another secret", header: "t=1700000000,v1=" + right, secrets: []string{old}, want: SignatureForged},
		{name: "no secret", header: "t=1700000000,v1=" + right, secrets: []string{}, want: SignatureForged},
		{name: "a weaker scheme", header: "t=1700000000,v0=" + right, want: SignatureMalformed},
		{name: "part of a signature", header: "t=1700000000,v1=" + right[:62], want: SignatureMalformed},
		{name: "no header", want: SignatureMissing},
		{name: "no time", header: "v1=" + right, want: SignatureMalformed},
		{name: "two times", header: "t=1700000000,t=1700000000,v1=" + right, want: SignatureMalformed},
		{name: "a negative time", header: "t=-1700000000,v1=" + right, want: SignatureMalformed},
		{name: "a time beyond numbers", header: "t=99999999999999999999,v1=" + right, want: SignatureMalformed},
		{name: "no signature", header: "t=1700000000", want: SignatureMalformed},
		{name: "no pairs", header: "Bearer x", want: SignatureMalformed},
		{name: "endless", header: "t=1700000000,v1=" + right + strings.Repeat(",v1="+wrong, 100), want: SignatureMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.body == "" {
				tt.body = body
			}
			if tt.secrets == nil {
				tt.secrets = []string{secret}
			}
			var secrets []Secret
			for _, s := range tt.secrets {
				secrets = append(secrets, mustSecret(t, s))
			}
			err := VerifySignature([]byte(tt.body), tt.header, secrets, time.Unix(at+tt.now, 0), 0)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzVerifySignature(f *testing.F) {
	const secret = "whsec_fuzzing_it"
	const body, at = `{"id":"evt_1"}`, 1700000000
	right := sign(secret, at, body)
	for _, h := range []string{"", "t=1700000000,v1=" + right, "t=1700000000,v0=" + right, "t=,v1=", ",,,", "t=1,t=2,v1=aa", "v1=" + right + ",t=1700000000"} {
		f.Add(h, []byte(body))
	}
	secrets := []Secret{mustSecret(f, secret)}
	f.Fuzz(func(t *testing.T, header string, payload []byte) {
		err := VerifySignature(payload, header, secrets, time.Unix(at, 0), time.Minute)
		var refusal SignatureRefusal
		switch {
		case err == nil:
			// Accepted: the header then holds the signature of this very body.
			stamp, _, ok := parseSignature(header)
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(append([]byte(stamp+"."), payload...))
			if !ok || !strings.Contains(strings.ToLower(header), hex.EncodeToString(mac.Sum(nil))) {
				t.Errorf("accepted %q", header)
			}
		case !errors.As(err, &refusal):
			t.Errorf("not a refusal: %v", err)
		}
	})
}

func TestSecret(t *testing.T) {
	t.Parallel()
	const text = "whsec_4eC39HqLyjWDarjtT1zdp7dc"
	s := mustSecret(t, " "+text+"\n")
	if s.Reveal() != text || !s.Equal(mustSecret(t, text)) || s.Equal(Secret{}) {
		t.Error("the secret is not what was pasted")
	}
	marshalled, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ S Secret }{s}
	got := []string{s.String(), fmt.Sprintf("%v %+v %#v %q %x %d", s, s, s, s, s, s), fmt.Sprintf("%v %+v %#v", holder, holder, holder), s.LogValue().String(), string(marshalled)}
	for _, g := range got {
		if strings.Contains(g, text[6:]) {
			t.Errorf("printed as %s", g)
		}
	}
	for _, bad := range []string{"", "sk_test_" + text, "whsec_", "whsec_zqx", "whsec_4eC39HqLyjW\nDarjtT1zdp7dc"} {
		s, err := ParseSecret(bad)
		if err == nil || !s.IsZero() {
			t.Errorf("%q was taken", bad)
			continue
		}
		if len(bad) > 8 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("the error repeats %q: %v", bad, err)
		}
	}
	if diff := cmp.Diff("(no secret)", Secret{}.String()); diff != "" {
		t.Error(diff)
	}
}
