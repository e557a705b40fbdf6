package privacy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	stdhash "hash"
)

// A Digest is a text hashed with a key of KeySize bytes, by the same means as
// hash rules do.
type Digest [sha256.Size]byte

// A Digester makes digests. It belongs to one goroutine at a time.
type Digester struct{ mac stdhash.Hash }

// NewDigester returns one for a key.
func NewDigester(key []byte) *Digester {
	return &Digester{hmac.New(sha256.New, key)}
}

// Of returns the digest of a text; of one that a hash rule with the same key
// made, that of the text before.
func (d *Digester) Of(text []byte) (out Digest) {
	if isHash(text) {
		_, _ = hex.Decode(out[:], text[len(hashPrefix):]) // it is hexadecimal
		return out
	}
	d.mac.Reset()
	d.mac.Write(text)
	d.mac.Sum(out[:0])
	return out
}
