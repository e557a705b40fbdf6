package app

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/problem"
)

// The key of hash rules lies in a file of its own, in hexadecimal digits, and
// nowhere else: who has the tables alone can't try addresses against hashes.

func keyPath(dir string) string { return filepath.Join(dir, "privacy.key") }

// keyID tells a key from others without giving it away.
func keyID(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("tributary privacy key"))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// readKey reads the key whose id is want.
func readKey(dir, want string) ([]byte, error) {
	const advice = "Put the file back from a backup: with another key, hashes of the same text would differ from those that are stored. Without it, make a new copy in another directory"
	text, err := os.ReadFile(keyPath(dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &problem.Error{Kind: problem.Conflict, Detail: "the key of the privacy rules is gone: there is no " + keyPath(dir), Advice: advice}
	case err != nil:
		return nil, fmt.Errorf("read the key of the privacy rules: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	switch {
	case err != nil || len(key) != privacy.KeySize:
		return nil, &problem.Error{Kind: problem.Conflict, Detail: keyPath(dir) + " does not hold a key of 64 hexadecimal digits", Advice: advice}
	case want != "" && keyID(key) != want:
		return nil, &problem.Error{Kind: problem.Conflict, Detail: keyPath(dir) + " holds another key than the one that the privacy rules were used with", Advice: advice}
	}
	return key, nil
}

// makeKey makes the key of a directory, unless it has one: a crash may have
// come between the key and the rules that are the first to need it.
func makeKey(dir string) ([]byte, error) {
	if _, err := os.Stat(keyPath(dir)); err == nil {
		return readKey(dir, "")
	}
	key := make([]byte, privacy.KeySize)
	rand.Read(key)
	if err := atomicfile.Write(keyPath(dir), []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("write the key of the privacy rules: %w", err)
	}
	return key, nil
}
