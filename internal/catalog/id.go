package catalog

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// newObjectID returns the id of a dataset or a view: seconds and eight random
// bytes, as 24 hexadecimal digits.
func newObjectID(now time.Time) string {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], uint32(now.Unix())) //nolint:gosec // ids of this form end in 2106
	_, _ = rand.Read(b[4:])                              // never fails
	return hex.EncodeToString(b[:])
}

// crockford is the alphabet of ULIDs: without I, L, O and U.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewBatchID returns an id for a batch that is to be made.
func NewBatchID(now time.Time) string { return newBatchID(now, nil) }

// newBatchID returns a ULID (github.com/ulid/spec): milliseconds and ten
// bytes, which are random unless given.
func newBatchID(now time.Time, entropy []byte) string {
	// 128 bits stand at the end of 26 digits of five bits, behind two zero bits:
	// 130 bits of a number of 160.
	var b [20]byte
	ms := uint64(now.UnixMilli()) //nolint:gosec // after 1970
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], ms<<16)
	if entropy == nil {
		_, _ = rand.Read(id[6:]) // never fails
	} else {
		copy(id[6:], entropy)
	}
	copy(b[4:], id[:])
	return crockford.EncodeToString(b[:])[6:]
}
