package stripe

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/tributary-data/tributary/internal/rawjson"
)

// A Response is a complete answer with status 200.
type Response struct {
	Body      []byte        // valid until Release
	Status    int           // 200
	RequestID string        // req_…, or ""
	Version   string        // that rendered it; "" when the host does not say
	Start     time.Time     // just before the request was sent, by Stripe's clock, UTC
	Took      time.Duration // of the attempt that succeeded

	buf  *buffer
	pool *bodies
}

// Release gives the memory of Body back. Nothing that aliases it may be used
// afterwards. A second call does nothing.
func (r *Response) Release() {
	if r.buf == nil {
		return
	}
	r.pool.put(r.buf)
	r.buf, r.Body = nil, nil
}

// A buffer holds one body and what it was taken apart into.
type buffer struct {
	bytes []byte
	list  rawjson.List
}

// bodies pools what reading answers needs. The zero value is ready.
type bodies struct {
	buffers, unzips sync.Pool
	last            atomic.Int64 // size of the last body
}

const largest = 8 << 20 // bytes of a buffer worth keeping

func (p *bodies) get() *buffer {
	if b, ok := p.buffers.Get().(*buffer); ok {
		return b
	}
	return &buffer{bytes: make([]byte, 0, min(largest, max(4<<10, p.last.Load()*5/4)))}
}

func (p *bodies) put(b *buffer) {
	if cap(b.bytes) > largest {
		return
	}
	b.bytes = b.bytes[:0]
	p.buffers.Put(b)
}

// read fills b with at most limit bytes of an answer, unpacked.
func (p *bodies) read(b *buffer, resp *http.Response, body io.Reader, limit int64) error {
	if strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip") {
		z, err := p.unzip(body)
		if err != nil {
			return err
		}
		defer p.unzips.Put(z)
		body = z
	} else if n := resp.ContentLength; n > limit {
		return errTooBig
	} else if n > int64(cap(b.bytes)) {
		b.bytes = make([]byte, 0, n+512)
	}
	for {
		if len(b.bytes) == cap(b.bytes) {
			b.bytes = append(make([]byte, 0, 2*cap(b.bytes)), b.bytes...)
		}
		n, err := body.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case int64(len(b.bytes)) > limit:
			return errTooBig
		case errors.Is(err, io.EOF):
			p.last.Store(int64(len(b.bytes)))
			return nil
		case err != nil:
			return err
		}
	}
}

func (p *bodies) unzip(body io.Reader) (*gzip.Reader, error) {
	z, ok := p.unzips.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	if err := z.Reset(body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return z, nil
}

// A watched reader tells a timer about every byte that arrives.
type watched struct {
	from  io.Reader
	timer *time.Timer
	limit time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	if n > 0 {
		w.timer.Reset(w.limit)
	}
	return n, err
}
