package main

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"os"

	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// privateFlag names networks of one's own that what is connected to may be in.
type privateFlag struct {
	Private []string `sep:"," name:"private-networks" env:"TRIBUTARY_PRIVATE_NETWORKS" placeholder:"CIDR,…" help:"Networks that are not public and that the names of Stripe, issuer, collector of traces, mail server and hosts of alerts may resolve into (default: none; an address in their URL counts as it is)."`
}

// outboundFlags are about what serve connects to by itself.
type outboundFlags struct {
	privateFlag
	Egress []string `sep:"," name:"egress-addresses" env:"TRIBUTARY_EGRESS_ADDRESSES" placeholder:"IP,…" help:"Addresses that others see this server's calls come from, told to those who bind Stripe keys to addresses."`
}

// keyed says whether a Stripe key was given, and thus whether there is a copy
// to keep.
func (c *serveCmd) keyed() bool { return c.KeyFile != "" || os.Getenv("STRIPE_API_KEY") != "" }

// tracesURL is where traces go, "" for nowhere; the variables are those of
// OpenTelemetry.
func tracesURL() string {
	return cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
}

// destinations are the URLs that are used, and what for.
func (c *serveCmd) destinations() (urls, purposes []string) {
	for _, to := range []struct {
		url, purpose string
		used         bool
	}{
		{cmp.Or(c.StripeURL, stripe.DefaultURL), "Stripe's API", true}, // connections bring their keys
		{c.Issuer, "issuer of tokens", c.Issuer != ""},
		{tracesURL(), "OpenTelemetry", tracesURL() != ""},
	} {
		if to.used {
			urls, purposes = append(urls, to.url), append(purposes, to.purpose)
		}
	}
	for _, host := range c.IssuerHosts {
		urls, purposes = append(urls, "https://"+host), append(purposes, "issuer of tokens")
	}
	return urls, purposes
}

// outbound returns the way out: to what was named and is used, and to nothing
// else.
func (c *serveCmd) outbound() (*guard.Outbound, error) {
	urls, purposes := c.destinations()
	return c.to(urls, purposes)
}

// to returns the way out to URLs, which the purposes are told of.
func (c *privateFlag) to(urls, purposes []string) (*guard.Outbound, error) {
	o := &guard.Outbound{Proxy: http.ProxyFromEnvironment}
	var err error
	if o.Private, err = prefixes("--private-networks", c.Private); err != nil {
		return nil, err
	}
	for i := range urls {
		d, err := guard.ParseDestination(urls[i], purposes[i])
		if err != nil {
			return nil, err
		}
		o.Destinations = append(o.Destinations, d)
	}
	return o, nil
}

// egress is what the API tells about the way out.
func (c *serveCmd) egress(o *guard.Outbound) (guard.Egress, error) {
	e := guard.Egress{Addresses: c.Egress, Destinations: o.Destinations}
	for _, a := range c.Egress {
		if _, err := netip.ParseAddr(a); err != nil {
			return e, problem.Errorf(problem.Invalid, "--egress-addresses: %q is not an IP address", a)
		}
	}
	urls, _ := c.destinations()
	for _, text := range urls {
		to, err := url.Parse(text)
		if err != nil {
			return e, err
		}
		proxy, err := o.Proxy(&http.Request{URL: to})
		if err != nil { // it would repeat the URL, which may hold a password
			return e, problem.Errorf(problem.Invalid, "HTTPS_PROXY or HTTP_PROXY in the environment is not the URL of a proxy")
		}
		if proxy != nil {
			e.Proxy = (&url.URL{Scheme: proxy.Scheme, Host: proxy.Host}).String()
		}
	}
	return e, nil
}

// rateFlags bound how often the API may be called.
type rateFlags struct {
	PerAddress string `name:"calls-per-address" default:"100/400" env:"TRIBUTARY_CALLS_PER_ADDRESS" placeholder:"N/BURST" help:"Calls of one address: so many a second, and so many at once after a rest; or none for no bound."`
	PerClient  string `name:"calls-per-client" default:"50/200" env:"TRIBUTARY_CALLS_PER_CLIENT" placeholder:"N/BURST" help:"Calls of one integration, wherever they come from."`
	Refused    string `name:"refused-per-address" default:"0.2/30" env:"TRIBUTARY_REFUSED_PER_ADDRESS" placeholder:"N/BURST" help:"Calls of one address whose token or secret is not accepted; beyond them the address has to wait."`
	Decisions  string `name:"decisions-per-key" default:"2000/4000" env:"TRIBUTARY_DECISIONS_PER_KEY" placeholder:"N/BURST" help:"Decisions that one key may ask for."`
}

func (c *rateFlags) rates() (r guard.Rates, err error) {
	for _, one := range []struct {
		flag, text string
		to         *guard.Rate
	}{
		{"--calls-per-address", c.PerAddress, &r.Address},
		{"--calls-per-client", c.PerClient, &r.Client},
		{"--refused-per-address", c.Refused, &r.Refused},
		{"--decisions-per-key", c.Decisions, &r.Decisions},
	} {
		if *one.to, err = guard.ParseRate(one.text); err != nil {
			return r, problem.Errorf(problem.Invalid, "%s: %v", one.flag, err)
		}
	}
	return r, nil
}
