package access

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// A keySet is the keys of the external issuer. Where they can't be read, it
// says so to the bool that the context has at noKeys.
type keySet struct {
	oidc.KeySet
	door *keyDoor
}

type noKeys struct{}

// VerifySignature implements oidc.KeySet.
func (k keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	if failed, ok := ctx.Value(noKeys{}).(*bool); ok && err != nil {
		*failed = k.door.failed()
	}
	return payload, err
}

// A keyDoor is the way to the issuer's keys. A token with a key that nobody
// knows makes the library read them again; here that becomes one request in a
// while, whatever comes in.
type keyDoor struct {
	client *http.Client
	now    func() time.Time

	mu     sync.Mutex
	asked  time.Time
	status int
	header http.Header
	body   []byte
	err    error
}

// mostKeys is how many bytes the keys of an issuer may have.
const mostKeys = 1 << 20

// RoundTrip implements http.RoundTripper.
func (d *keyDoor) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked.IsZero() || d.now().Sub(d.asked) >= patience {
		d.asked = d.now()
		d.err = d.read(r)
	}
	if d.err != nil {
		return nil, d.err
	}
	return &http.Response{
		Status: http.StatusText(d.status), StatusCode: d.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: d.header.Clone(), Body: io.NopCloser(bytes.NewReader(d.body)), ContentLength: int64(len(d.body)), Request: r,
	}, nil
}

func (d *keyDoor) read(r *http.Request) error {
	resp, err := d.client.Do(r.Clone(r.Context()))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d.status, d.header = resp.StatusCode, resp.Header
	d.body, err = io.ReadAll(http.MaxBytesReader(nil, resp.Body, mostKeys))
	if err == nil && d.status != http.StatusOK {
		err = fmt.Errorf("the issuer's keys: status %d", d.status)
	}
	return err
}

// failed says whether the keys could not be read when they were last asked for.
func (d *keyDoor) failed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err != nil
}
