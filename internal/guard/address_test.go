package guard_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
)

func prefixes(t testing.TB, texts ...string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for _, text := range texts {
		p, err := guard.ParsePrefix(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestAddress(t *testing.T) {
	t.Parallel()
	const (
		xff = "X-Forwarded-For"
		fwd = "Forwarded"
	)
	for name, c := range map[string]struct {
		peer      string
		forwarded bool
		header    []string // pairs
		want      string   // address
		unknown   bool
	}{
		"no proxy":                         {"198.51.100.7:1234", false, nil, "198.51.100.7", false},
		"a stranger says what he likes":    {"198.51.100.7:1234", false, []string{xff, "10.0.0.1", fwd, "for=10.0.0.1"}, "198.51.100.7", false},
		"behind a proxy":                   {"10.0.0.1:1", false, []string{xff, "198.51.100.7"}, "198.51.100.7", false},
		"behind two":                       {"10.0.0.1:1", false, []string{xff, "198.51.100.7, 10.0.0.2"}, "198.51.100.7", false},
		"in two lines":                     {"10.0.0.1:1", false, []string{xff, "198.51.100.7", xff, "10.0.0.2"}, "198.51.100.7", false},
		"spoofed on the left":              {"10.0.0.1:1", false, []string{xff, "192.0.2.1, 198.51.100.7"}, "198.51.100.7", false},
		"spoofed in a line of its own":     {"10.0.0.1:1", false, []string{xff, "192.0.2.1", xff, "198.51.100.7, 10.0.0.2"}, "198.51.100.7", false},
		"spoofed as a proxy":               {"10.0.0.1:1", false, []string{xff, "10.9.9.9, 198.51.100.7"}, "198.51.100.7", false},
		"garbage on the left":              {"10.0.0.1:1", false, []string{xff, "<script>, 198.51.100.7"}, "198.51.100.7", false},
		"garbage of the proxy":             {"10.0.0.1:1", false, []string{xff, "198.51.100.7, unknown"}, "10.0.0.1", true},
		"garbage behind a proxy":           {"10.0.0.1:1", false, []string{xff, "nonsense, 10.0.0.2"}, "10.0.0.2", true},
		"an empty hop":                     {"10.0.0.1:1", false, []string{xff, "198.51.100.7,"}, "10.0.0.1", true},
		"the proxy itself":                 {"10.0.0.1:1", false, nil, "10.0.0.1", false},
		"proxies only":                     {"10.0.0.1:1", false, []string{xff, "10.0.0.3, 10.0.0.2"}, "10.0.0.3", false},
		"the other header is not read":     {"10.0.0.1:1", false, []string{fwd, "for=192.0.2.1"}, "10.0.0.1", false},
		"the other header is not read, 2":  {"10.0.0.1:1", true, []string{xff, "192.0.2.1"}, "10.0.0.1", false},
		"ports":                            {"10.0.0.1:1", false, []string{xff, "198.51.100.7:5555"}, "198.51.100.7", false},
		"IPv6":                             {"[fd00::1]:1", false, []string{xff, "2001:db8::7"}, "2001:db8::7", false},
		"IPv6 with a port":                 {"[fd00::1]:1", false, []string{xff, "[2001:db8::7]:99"}, "2001:db8::7", false},
		"IPv6 in brackets":                 {"[fd00::1]:1", false, []string{xff, "[2001:db8::7]"}, "2001:db8::7", false},
		"IPv4 as IPv6 at the socket":       {"[::ffff:10.0.0.1]:1", false, []string{xff, "198.51.100.7"}, "198.51.100.7", false},
		"IPv4 as IPv6 in the header":       {"10.0.0.1:1", false, []string{xff, "198.51.100.7, ::ffff:10.0.0.2"}, "198.51.100.7", false},
		"a zone":                           {"[fe80::1%eth0]:1", false, nil, "fe80::1", false},
		"a zone of a trusted one":          {"[fd00::1%eth0]:1", false, []string{xff, "198.51.100.7"}, "198.51.100.7", false},
		"no port at the socket":            {"198.51.100.7", false, nil, "198.51.100.7", false},
		"Forwarded":                        {"10.0.0.1:1", true, []string{fwd, `for=198.51.100.7;proto=https;by=10.0.0.1`}, "198.51.100.7", false},
		"Forwarded, quoted":                {"10.0.0.1:1", true, []string{fwd, `For="[2001:db8:cafe::17]:4711", for=10.0.0.2;host="a,b;for=192.0.2.9"`}, "2001:db8:cafe::17", false},
		"Forwarded, spoofed by a quote":    {"10.0.0.1:1", true, []string{fwd, `for="192.0.2.1`, fwd, `for=198.51.100.7`}, "198.51.100.7", false},
		"Forwarded, a quote that swallows": {"10.0.0.1:1", true, []string{fwd, `for=192.0.2.1;a=", for="[2001:db8::7]"`}, "10.0.0.1", true},
		"Forwarded, a quote and a slash":   {"10.0.0.1:1", true, []string{fwd, `for=192.0.2.1;a="\, for="[2001:db8::7]"`}, "10.0.0.1", true},
		"Forwarded, hidden":                {"10.0.0.1:1", true, []string{fwd, `for=198.51.100.7, for=_hidden`}, "10.0.0.1", true},
		"Forwarded, nothing said":          {"10.0.0.1:1", true, []string{fwd, `proto=https`}, "10.0.0.1", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
			for i := 0; i+1 < len(c.header); i += 2 {
				r.Header.Add(c.header[i], c.header[i+1])
			}
			got, err := guard.Proxies{Trusted: prefixes(t, "10.0.0.0/8", "fd00::/8"), Forwarded: c.forwarded}.Address(r)
			if got.String() != c.want || (err != nil) != c.unknown {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if none, err := (guard.Proxies{}).Address(r); err != nil || !strings.Contains(c.peer, none.String()) && c.peer[:7] != "[::ffff" {
				t.Errorf("without proxies: %s, %v", none, err)
			}
		})
	}
	for _, peer := range []string{"", "@", "host:1", "1.2.3:1"} {
		if a, err := (guard.Proxies{}).Address(&http.Request{RemoteAddr: peer}); err == nil {
			t.Errorf("%q is %s", peer, a)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	p := guard.Proxies{Trusted: prefixes(t, "10.0.0.0/8")}
	for _, c := range []struct {
		peer, header, value string
		want                bool
	}{
		{"127.0.0.1:1", "", "", false},
		{"127.0.0.1:1", "X-Forwarded-For", "198.51.100.1", true},
		{"127.0.0.1:1", "Via", "1.1 proxy", true},
		{"127.0.0.1:1", "Forwarded", "for=198.51.100.1", true},
		{"10.0.0.1:1", "X-Forwarded-For", "198.51.100.1", false},
		{"nowhere", "", "", true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		if got := p.Unknown(r); got != c.want {
			t.Errorf("%s %s: %v", c.peer, c.header, got)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"203.0.113.0/24": "203.0.113.0/24", "203.0.113.7": "203.0.113.7/32", "2001:db8::/32": "2001:db8::/32", "2001:DB8::7": "2001:db8::7/128",
		"::ffff:203.0.113.7": "203.0.113.7/32", "0.0.0.0/0": "0.0.0.0/0", "::/0": "::/0",
	} {
		got, err := guard.ParsePrefix(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for text, words := range map[string]string{
		"": "ones", "x": "ones", "203.0.113.0/33": "ones", "203.0.113.5/24": "203.0.113.0/24", "2001:db8::1/32": "2001:db8::/32",
		"::ffff:203.0.113.0/120": "as IPv4", "fe80::1%eth0": "zone", "203.0.113.0/24 ": "ones", "010.0.0.1": "ones", "fe80::%1/64": "ones",
	} {
		_, err := guard.ParsePrefix(text)
		if problem.KindOf(err) != problem.Invalid || err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What a stranger writes never makes him a trusted proxy, nor another than the
// one that the proxy saw.
func FuzzAddress(f *testing.F) {
	f.Add("1.2.3.4", `for="[::1]:1"`)
	f.Add(",,", `"\"`)
	f.Fuzz(func(t *testing.T, left, quoted string) {
		const seen = "198.51.100.7"
		trusted := prefixes(t, "10.0.0.0/8")
		for _, p := range []guard.Proxies{{Trusted: trusted}, {Trusted: trusted, Forwarded: true}} {
			r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{
				"X-Forwarded-For": {left, quoted, seen}, "Forwarded": {left, quoted, "for=" + seen},
			}}
			if got, err := p.Address(r); err != nil || got.String() != seen {
				t.Errorf("%s, %v", got, err)
			}
			r.Header = http.Header{"X-Forwarded-For": {left + ", " + seen}}
			if got, err := p.Address(r); !p.Forwarded && (err != nil || got.String() != seen) {
				t.Errorf("%s, %v", got, err)
			}
			r.Header = http.Header{"X-Forwarded-For": {left}, "Forwarded": {quoted}}
			_, _ = p.Address(r)
		}
	})
}

func FuzzParsePrefix(f *testing.F) {
	f.Add("203.0.113.0/24")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := guard.ParsePrefix(text)
		if err != nil {
			return
		}
		again, err := guard.ParsePrefix(p.String())
		if err != nil || again != p {
			t.Errorf("%q: %s, then %s, %v", text, p, again, err)
		}
	})
}
