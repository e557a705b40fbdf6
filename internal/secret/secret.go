// Package secret seals credentials for the time that they lie on a disk. What
// is sealed is bound to the object that it belongs to: moved to another one it
// does not open. The cipher (AES-256-GCM) and the form of a sealed text are
// Tink's.
package secret

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/tributary-data/tributary/internal/problem"
)

// Keys seal and open. One key, the primary, seals; all of them open. Where
// they come from a file they follow it: a key that another process added
// counts at once. Keys print masked.
type Keys struct {
	place Place

	mu   sync.Mutex
	set  *set
	seen os.FileInfo // the file as it was read; nil where there is none
}

// Seal seals a text for an object. About names the object in full, the
// organisation included; it is no secret.
func (k *Keys) Seal(plain []byte, about string) ([]byte, error) {
	if about == "" {
		return nil, errors.New("a text is to be sealed for no object")
	}
	set, err := k.current()
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", about, err)
	}
	sealed, err := set.aead.Encrypt(plain, []byte(about))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", about, err)
	}
	return sealed, nil
}

// Open opens a text that was sealed for the same object. What does not open
// is told in a problem that says why and holds nothing of the text.
func (k *Keys) Open(sealed []byte, about string) ([]byte, error) {
	id, ok := KeyOf(sealed)
	if !ok {
		return nil, problem.Errorf(problem.Internal, "what is stored for %s is not a sealed text", about)
	}
	set, err := k.current()
	if err != nil && set == nil {
		return nil, fmt.Errorf("open %s: %w", about, err)
	}
	if !slices.Contains(set.ids, id) {
		return nil, &problem.Error{
			Kind: problem.Internal, Detail: fmt.Sprintf("what is stored for %s was sealed with key %d, which %s does not have", about, id, k.place),
			Advice: "Restore the keys from a backup of the same time as the data; without them the credentials have to be entered again",
		}
	}
	plain, err := set.aead.Decrypt(sealed, []byte(about))
	if err != nil {
		return nil, &problem.Error{
			Kind: problem.Internal, Detail: fmt.Sprintf("what is stored for %s does not open with key %d: it was changed, or was sealed for another object", about, id),
			Advice: "Enter the credentials again",
		}
	}
	return plain, nil
}

// Current says whether a text is sealed with the primary key.
func (k *Keys) Current(sealed []byte) bool {
	id, ok := KeyOf(sealed)
	set, _ := k.current()
	return ok && set != nil && id == set.primary
}

// headerSize is what stands before the nonce of a sealed text: Tink's byte 1
// and the number of the key. leastSize adds a nonce and a tag.
const (
	headerSize = 5
	leastSize  = headerSize + 12 + 16
)

// KeyOf returns the number of the key that a text was sealed with; false for
// what is not a sealed text.
func KeyOf(sealed []byte) (uint32, bool) {
	if len(sealed) < leastSize || sealed[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:headerSize]), true
}

// String names the keys without showing them.
func (k *Keys) String() string { return "keys of " + k.place.String() }

// Format prints String for each verb: no verb shows a key.
func (k *Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue is for slog.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON writes the name.
func (k *Keys) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", k.String()), nil }
