package guard

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Destination is a host that the server connects to.
type Destination struct {
	Host    string `json:"host"` // a name in lower case, or an address
	Port    uint16 `json:"port"`
	Purpose string `json:"purpose"` // Stripe's API, …
}

// ParseDestination returns the destination of an http or https URL.
func ParseDestination(text, purpose string) (Destination, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return Destination{}, problem.Errorf(problem.Invalid, "%s: the URL has no host", purpose) // the URL may hold a password
	}
	return destination(u, purpose)
}

func destination(u *url.URL, purpose string) (Destination, error) {
	d := Destination{Host: hostname(u.Hostname()), Purpose: purpose}
	switch {
	case u.Port() != "":
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return Destination{}, problem.Errorf(problem.Invalid, "%s: %q is no port", purpose, u.Port())
		}
		d.Port = uint16(port)
	case u.Scheme == "https":
		d.Port = 443
	case u.Scheme == "http":
		d.Port = 80
	default:
		return Destination{}, problem.Errorf(problem.Invalid, "%s: %q is neither http nor https", purpose, u.Scheme)
	}
	return d, nil
}

// hostname writes a host the one way in which hosts are compared.
func hostname(h string) string {
	if a, err := netip.ParseAddr(h); err == nil {
		return plain(a).String()
	}
	return strings.ToLower(strings.TrimSuffix(h, "."))
}

// An Outbound connects to the destinations that are named, and to nothing
// else. What a name resolves to must be a public address, unless it is in
// Private, or the destination was named by that very address, or as localhost.
type Outbound struct {
	Destinations []Destination
	Private      []netip.Prefix
	// Lookup resolves a name; nil for the system's way.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Proxy returns the outgoing proxy for a request, such as
	// http.ProxyFromEnvironment does; nil for none. Where there is one, it is
	// the proxy that resolves the names, and its own address may be any.
	Proxy func(*http.Request) (*url.URL, error)
	// Dial connects to an address that was checked; nil for the network.
	Dial dial
}

// Transport returns a transport for HTTP clients.
func (o *Outbound) Transport() http.RoundTripper {
	return o.Over(&http.Transport{
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
		MaxIdleConns: 100, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second,
	})
}

// Over returns a transport with the settings of base, which is its own from
// now on: how it keeps connections, and, where o says neither, its proxy and
// how it connects to an address.
func (o *Outbound) Over(base *http.Transport) http.RoundTripper {
	t := &transport{outbound: o, connect: o.Dial, ask: o.Proxy, next: base}
	if t.connect == nil {
		t.connect = base.DialContext
	}
	if t.connect == nil {
		t.connect = o.dialer()
	}
	if t.ask == nil {
		t.ask = base.Proxy
	}
	base.DialContext = t.dial
	if t.ask != nil {
		base.Proxy = t.proxy
	}
	return t
}

// A transport refuses requests before it asks whether there is a connection.
type transport struct {
	outbound *Outbound
	connect  dial
	ask      func(*http.Request) (*url.URL, error) // for the proxy; may be nil
	next     *http.Transport
	proxies  sync.Map // host:port of those in use
}

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

func (t *transport) proxy(r *http.Request) (*url.URL, error) {
	u, err := t.ask(r)
	if u == nil || err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	t.proxies.Store(net.JoinHostPort(u.Hostname(), port), true)
	return u, nil
}

func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if _, ok := t.proxies.Load(address); ok {
		return t.connect(ctx, network, address)
	}
	return t.outbound.dial(ctx, t.connect, network, address)
}

// RoundTrip sends a request to a destination that is named. Redirects come by
// here, too.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.outbound.Names(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	return t.next.RoundTrip(r)
}

// CloseIdleConnections is for http.Client.
func (t *transport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// Names says whether a URL leads to a destination that is named;
// problem.Forbidden if it does not. What its host resolves to is not looked at.
func (o *Outbound) Names(u *url.URL) error {
	d, err := destination(u, "request")
	if err != nil {
		return err
	}
	return o.named(d.Host, d.Port)
}

func (o *Outbound) named(host string, port uint16) error {
	if slices.ContainsFunc(o.Destinations, func(d Destination) bool { return hostname(d.Host) == host && d.Port == port }) {
		return nil
	}
	return problem.Errorf(problem.Forbidden, "%s is not among the destinations that this server may connect to", net.JoinHostPort(host, strconv.Itoa(int(port))))
}

// DialContext connects to a host and port. The name is resolved once, and the
// connection goes to the very address that was checked: what the name means a
// moment later does not matter.
func (o *Outbound) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return o.dial(ctx, o.dialer(), network, address)
}

func (o *Outbound) dial(ctx context.Context, connect dial, network, address string) (net.Conn, error) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", p, err)
	}
	host := hostname(h)
	if err := o.named(host, uint16(port)); err != nil {
		return nil, err
	}
	addresses, err := o.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var refused, failed []error
	for _, a := range addresses {
		a = plain(a)
		if !o.allows(host, a) {
			refused = append(refused, &problem.Error{
				Kind: problem.Forbidden, Detail: fmt.Sprintf("%s resolves to %s, which is not a public address", host, a),
				Advice: "If it should, name its network with --private-networks",
			})
			continue
		}
		conn, err := connect(ctx, network, netip.AddrPortFrom(a, uint16(port)).String())
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
	}
	switch {
	case len(failed) > 0: // another time, they may answer
		return nil, errors.Join(failed...)
	case len(refused) > 0:
		return nil, refused[0]
	}
	return nil, problem.Errorf(problem.Unavailable, "%s resolves to no address", host)
}

func (o *Outbound) dialer() dial {
	if o.Dial != nil {
		return o.Dial
	}
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
}

func (o *Outbound) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if o.Lookup != nil {
		return o.Lookup(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func (o *Outbound) allows(host string, a netip.Addr) bool {
	return public(a) || contains(o.Private, a) || a.String() == host || host == "localhost" && a.IsLoopback()
}

// public says whether an address is one of the open internet's: not of a
// private or special range, nor one that stands for such an IPv4 address.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || contains(special, a) {
		return false
	}
	if b := a.As16(); a.Is6() && nat64.Contains(a) {
		return public(netip.AddrFrom4([4]byte(b[12:])))
	}
	return true
}

// The registries of special addresses (RFC 6890, and IANA's lists).
var (
	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	special = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"), // between a provider and its customers
		netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("::/96"),          // IPv4 in an old form
		netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 of one's own network
		netip.MustParsePrefix("100::/64"),
		netip.MustParsePrefix("2001::/23"), // Teredo among others
		netip.MustParsePrefix("2001:db8::/32"),
		netip.MustParsePrefix("2002::/16"), // 6to4: any IPv4 address
		netip.MustParsePrefix("3fff::/20"),
		netip.MustParsePrefix("5f00::/16"),
		netip.MustParsePrefix("fec0::/10"),
	}
)
