package gateway

import (
	"bytes"
	"net/http"
)

// A Kept answer stays in memory, for who calls a service in the same process.
type Kept struct {
	Status int // 0 until something was answered
	Body   bytes.Buffer

	header http.Header
}

// Header implements http.ResponseWriter.
func (k *Kept) Header() http.Header {
	if k.header == nil {
		k.header = http.Header{}
	}
	return k.header
}

// WriteHeader keeps the first status.
func (k *Kept) WriteHeader(status int) {
	if k.Status == 0 {
		k.Status = status
	}
}

// Write keeps the body.
func (k *Kept) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.Body.Write(b)
}
