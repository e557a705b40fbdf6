package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
)

var errDialled = errors.New("dialled")

func TestDialContext(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"api.stripe.com": "198.202.176.1", "both.example": "10.0.0.1 2600:1901::1", "inside.example": "10.0.0.1", "cloud.example": "169.254.169.254",
		"mapped.example": "::ffff:127.0.0.1", "six.example": "fd00::1", "nat64.example": "64:ff9b::7f00:1", "goodnat64.example": "64:ff9b::808:808",
		"6to4.example": "2002:7f00:1::", "zero.example": "0.0.0.0", "localhost": "127.0.0.1", "none.example": "", "multi.example": "224.0.0.1",
		"shared.example": "100.64.0.1", "link.example": "fe80::1%eth0", "configured.example": "172.16.5.5", "nearly.example": "172.16.6.5",
	}
	for name, c := range map[string]struct {
		address string
		dialled string // empty where it is refused
		words   string
	}{
		"public":                 {"api.stripe.com:443", "198.202.176.1:443", ""},
		"upper case":             {"API.Stripe.com.:443", "198.202.176.1:443", ""},
		"not named":              {"example.com:443", "", "example.com:443 is not among"},
		"another port":           {"api.stripe.com:80", "", "not among"},
		"a part of a name":       {"evil-api.stripe.com:443", "", "not among"},
		"an address not named":   {"198.202.176.1:443", "", "not among"},
		"private":                {"inside.example:443", "", "10.0.0.1, which is not a public address"},
		"the public one of both": {"both.example:443", "[2600:1901::1]:443", ""},
		"metadata of a cloud":    {"cloud.example:443", "", "169.254.169.254"},
		"loopback as IPv6":       {"mapped.example:443", "", "127.0.0.1"},
		"unique local":           {"six.example:443", "", "fd00::1"},
		"loopback by NAT64":      {"nat64.example:443", "", "not a public"},
		"public by NAT64":        {"goodnat64.example:443", "[64:ff9b::808:808]:443", ""},
		"loopback by 6to4":       {"6to4.example:443", "", "not a public"},
		"unspecified":            {"zero.example:443", "", "not a public"},
		"multicast":              {"multi.example:443", "", "not a public"},
		"shared":                 {"shared.example:443", "", "not a public"},
		"link-local":             {"link.example:443", "", "fe80::1"},
		"nothing":                {"none.example:443", "", "resolves to no address"},
		"localhost by name":      {"localhost:12111", "127.0.0.1:12111", ""},
		"loopback by address":    {"127.0.0.1:12111", "127.0.0.1:12111", ""},
		"loopback, another":      {"127.0.0.2:12111", "", "not among"},
		"configured as private":  {"configured.example:443", "172.16.5.5:443", ""},
		"beside that range":      {"nearly.example:443", "", "172.16.6.5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var dialled []string
			o := guard.Outbound{
				Private: prefixes(t, "172.16.5.0/24"),
				Lookup: func(_ context.Context, host string) (all []netip.Addr, err error) {
					for a := range strings.FieldsSeq(names[host]) {
						all = append(all, netip.MustParseAddr(a))
					}
					return all, nil
				},
				Dial: func(_ context.Context, _, address string) (net.Conn, error) {
					dialled = append(dialled, address)
					return nil, errDialled
				},
			}
			for host := range names {
				o.Destinations = append(o.Destinations, guard.Destination{Host: host, Port: 443})
			}
			o.Destinations = append(o.Destinations, guard.Destination{Host: "localhost", Port: 12111}, guard.Destination{Host: "127.0.0.1", Port: 12111})
			_, err := o.DialContext(t.Context(), "tcp", c.address)
			if c.dialled != "" {
				if diff := cmp.Diff([]string{c.dialled}, dialled); diff != "" || !errors.Is(err, errDialled) {
					t.Errorf("%v %s", err, diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.words) || len(dialled) > 0 {
				t.Errorf("%v, dialled %v", err, dialled)
			}
		})
	}
}

// A name that means a public address when it is checked, and loopback when it
// is asked again, leads nowhere but to the address that was checked.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	var dialled []string
	o := guard.Outbound{
		Destinations: []guard.Destination{{Host: "rebind.example", Port: 443}},
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			if asked.Add(1)%2 == 1 {
				return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialled = append(dialled, address)
			return nil, errDialled
		},
	}
	var kinds []problem.Kind
	for range 2 {
		_, err := o.DialContext(t.Context(), "tcp", "rebind.example:443")
		kinds = append(kinds, problem.KindOf(err))
	}
	if diff := cmp.Diff([]string{"93.184.216.34:443"}, dialled); diff != "" {
		t.Error(diff)
	}
	if kinds[1] != problem.Forbidden || asked.Load() != 2 {
		t.Errorf("kinds %v, asked %d times", kinds, asked.Load())
	}
}

// A real client: the named server answers, its redirect elsewhere is not
// followed, and nothing is sent to what is not named.
func TestTransport(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	named := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
			return
		}
		fmt.Fprint(w, "hello")
	}))
	defer named.Close()
	d, err := guard.ParseDestination(named.URL+"/v1", "Stripe's API")
	if err != nil {
		t.Fatal(err)
	}
	get := func(o *guard.Outbound, url string) (string, error) {
		resp, err := (&http.Client{Transport: o.Transport()}).Get(url)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	o := &guard.Outbound{Destinations: []guard.Destination{d}}
	if got, err := get(o, named.URL+"/x"); got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	for _, url := range []string{named.URL + "/away", elsewhere.URL, "ftp://" + d.Host, "http://" + d.Host} {
		if _, err := get(o, url); err == nil {
			t.Errorf("%s was reached", url)
		}
	}
	proxy := func(r *http.Request) (*url.URL, error) { return url.Parse(elsewhere.URL) }
	o = &guard.Outbound{Destinations: []guard.Destination{{Host: "stripe.example", Port: 80}}, Proxy: proxy}
	if _, err := get(o, "http://other.example/"); err == nil || reached.Load() != 0 {
		t.Errorf("what is not named goes to the proxy: %v", err)
	}
	if _, err := get(o, "http://stripe.example/"); err != nil || reached.Load() != 1 {
		t.Errorf("by the proxy: %v", err)
	}
}

func TestParseDestination(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]guard.Destination{
		"https://API.stripe.com":   {Host: "api.stripe.com", Port: 443},
		"http://127.0.0.1:8080/x":  {Host: "127.0.0.1", Port: 8080},
		"http://[::1]":             {Host: "::1", Port: 80},
		"http://[::ffff:10.0.0.1]": {Host: "10.0.0.1", Port: 80},
	} {
		want.Purpose = "p"
		got, err := guard.ParseDestination(text, "p")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", text, err, diff)
		}
	}
	for _, text := range []string{"", "x", "://", "ftp://a", "http://a:99999", "http://user:secret@", "http://a:b"} {
		if d, err := guard.ParseDestination(text, "p"); problem.KindOf(err) != problem.Invalid || strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
}
