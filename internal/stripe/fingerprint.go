package stripe

import (
	"crypto/sha256"
	"encoding/hex"
)

// Fingerprint tells keys apart without telling the key: 16 hexadecimal digits
// of a hash. account, if not empty, is part of it.
func (k Key) Fingerprint(account string) string {
	sum := sha256.Sum256([]byte(k.value() + "\x00" + account))
	return hex.EncodeToString(sum[:8])
}
