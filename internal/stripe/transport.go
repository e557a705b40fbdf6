package stripe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// NewTransport returns a transport for many requests at once to one host. It
// is to be shared by all clients.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        128,
		MaxIdleConnsPerHost: 64,
		MaxConnsPerHost:     64,
		IdleConnTimeout:     90 * time.Second,
		ReadBufferSize:      64 << 10,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:  true, // the client asks for gzip and unpacks it with pooled readers
	}
}

var (
	errRedirect = errors.New("redirect to another host")
	errTimeout  = errors.New("the answer took too long")
	errSilent   = errors.New("no answer in time")
	errStalled  = errors.New("the answer stalled")
	errTooBig   = errors.New("the answer is too large")
	errRequest  = errors.New("not a request")
)

// sameHost follows a few redirects, never one that would show the key to
// another host or without TLS.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme || len(via) >= 4 {
		return errRedirect
	}
	return nil
}

// hostOf checks a base URL and returns its host.
func hostOf(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" ||
		u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", &problem.Error{
			Kind: problem.Invalid, Detail: "the Stripe URL is not a plain http or https address",
			Advice: "It should look like " + DefaultURL + ".",
		}
	}
	return u.Host, nil
}

// unanswered turns a failure to get a whole answer into an Error. met tells
// whether Stripe ever answered.
func unanswered(key Key, endpoint, host string, err error, met bool) *Error {
	e := &Error{
		Kind: problem.Unavailable, Endpoint: endpoint, err: err, retry: again,
		Advice: "Check the network; what was read is kept.",
	}
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errRequest):
		e.Kind, e.retry = problem.Invalid, never
		e.Detail, e.Advice = clean(key, err), ""
	case errors.Is(err, errRedirect):
		e.Kind, e.retry, e.global = problem.Invalid, never, true
		e.Detail, e.Advice = host+" redirects elsewhere, which is not followed", "Check the Stripe URL."
	case problem.KindOf(err) == problem.Forbidden: // by whoever watches over what is connected to
		e.Kind, e.retry, e.global = problem.Forbidden, never, true
		e.Detail, e.Advice = clean(key, err), ""
		if p, ok := errors.AsType[*problem.Error](err); ok {
			e.Detail, e.Advice = p.Detail, p.Advice
		}
	case badTLS(err):
		e.Kind, e.retry, e.global = problem.Invalid, never, true
		e.Detail = "no secure connection to " + host + ": " + clean(key, err)
		e.Advice = "Check the Stripe URL and any proxy between here and Stripe."
	case errors.As(err, &dns), errors.As(err, &op) && op.Op == "dial":
		e.global = !met
		if !met {
			e.retry = connect
		}
		e.Detail = host + " cannot be reached: " + dialText(key, err)
		e.Advice = "Check the network and the Stripe URL."
	case errors.Is(err, errTooBig):
		e.tooBig, e.heavy = true, true
		e.Detail, e.Advice = host+" sent an answer that is too large", ""
	case errors.Is(err, errTimeout), errors.Is(err, errStalled), errors.Is(err, errSilent), errors.As(err, &timeout) && timeout.Timeout():
		e.heavy = true
		e.Detail = host + " did not answer: " + clean(key, err)
	default:
		e.Detail = "the connection to " + host + " broke: " + clean(key, err)
	}
	return e
}

// badTLS reports whether err is about who answers, which no retry changes.
func badTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &name) ||
		errors.As(err, &invalid) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

func dialText(key Key, err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no connection in time"
	}
	return clean(key, err)
}

// clean returns the text of a network error without its URL.
func clean(key Key, err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return message(key, err.Error())
}

// sleep waits for d or for the end of ctx, whichever comes first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
