// Package guard decides by address who may call, bounds how often, and bounds
// where this program itself connects to.
package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Proxies are those in front of the server whose word about their callers is
// taken. The zero value trusts none.
type Proxies struct {
	Trusted []netip.Prefix
	// Forwarded takes the header Forwarded (RFC 7239) for the proxies' word,
	// else it is X-Forwarded-For. Never both: a proxy that writes one of them
	// may hand on the other as a stranger wrote it.
	Forwarded bool
}

// errHop is said of a header that a trusted proxy should not have sent.
var errHop = errors.New("a trusted proxy does not say where a call comes from")

// Address returns the address that a call comes from: that of the socket, or,
// where a trusted proxy is at the socket, the right-most hop of its header
// that is no trusted proxy. What stands left of it is only what a stranger
// says. An IPv4 address in an IPv6 one becomes IPv4, and zones are dropped.
// With an error the address is that of the last hop that is known.
func (p Proxies) Address(r *http.Request) (netip.Addr, error) {
	at, err := hop(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("the address of the socket: %w", err)
	}
	if !p.trusts(at) {
		return at, nil
	}
	hops := p.hops(r.Header)
	for _, text := range slices.Backward(hops) {
		next, err := hop(text)
		if err != nil {
			return at, errHop
		}
		at = next
		if !p.trusts(at) {
			return at, nil
		}
	}
	return at, nil // from a proxy itself
}

// Unknown says whether a call comes through a proxy that nobody named, so that the
// address of the socket says nothing of who calls.
func (p Proxies) Unknown(r *http.Request) bool {
	at, err := hop(r.RemoteAddr)
	if err != nil || p.trusts(at) {
		return err != nil
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

func (p Proxies) trusts(a netip.Addr) bool { return contains(p.Trusted, a) }

func contains(all []netip.Prefix, a netip.Addr) bool {
	for _, prefix := range all {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// hops returns what the header says, left to right as it was written.
func (p Proxies) hops(h http.Header) []string {
	var hops []string
	if !p.Forwarded {
		for _, line := range h.Values("X-Forwarded-For") {
			hops = append(hops, strings.Split(line, ",")...)
		}
		return hops
	}
	for _, line := range h.Values("Forwarded") {
		if open(line) { // a stranger's quote that swallows what the proxy wrote behind it
			hops = append(hops, "")
			continue
		}
		for element := range split(line, ',') {
			from := ""
			for pair := range split(element, ';') {
				name, value, _ := strings.Cut(pair, "=")
				if strings.EqualFold(strings.TrimSpace(name), "for") {
					from = unquote(strings.TrimSpace(value))
				}
			}
			hops = append(hops, from)
		}
	}
	return hops
}

// split yields the parts of a line between separators that stand in no quotes.
func split(line string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		begin, quoted := 0, false
		for i := 0; i < len(line); i++ {
			switch {
			case quoted && line[i] == '\\':
				i++
			case line[i] == '"':
				quoted = !quoted
			case line[i] == separator && !quoted:
				if !yield(line[begin:i]) {
					return
				}
				begin = i + 1
			}
		}
		yield(line[begin:])
	}
}

// open says whether a line ends inside of quotes.
func open(line string) bool {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case quoted && line[i] == '\\':
			i++
		case line[i] == '"':
			quoted = !quoted
		}
	}
	return quoted
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// hop reads an address as sockets and proxies write it: with or without a
// port, brackets and a zone.
func hop(text string) (netip.Addr, error) {
	text = strings.TrimSpace(text)
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return plain(ap.Addr()), nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}, errHop // the error would repeat what a stranger wrote
	}
	return plain(a), nil
}

func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// ParsePrefix reads a range of addresses (203.0.113.0/24, 2001:db8::/32) or a
// single one. Bits behind the range's length must be zero.
func ParsePrefix(text string) (netip.Prefix, error) {
	bad := func(why string) (netip.Prefix, error) {
		return netip.Prefix{}, problem.Errorf(problem.Invalid, "%q is no range of addresses: %s", text, why)
	}
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			return bad("203.0.113.0/24, 2001:db8::/32 and 203.0.113.7 are ones")
		case a.Zone() != "":
			return bad("it has a zone")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return bad("203.0.113.0/24, 2001:db8::/32 and 203.0.113.7 are ones")
	case p.Addr().Is4In6():
		return bad("write it as IPv4")
	case p != p.Masked():
		return bad("it names an address inside the range " + p.Masked().String())
	}
	return p, nil
}
