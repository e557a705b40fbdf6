package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A ForgetList is of whom several copies are to keep nothing, those that are made
// later as well. It names nobody: the ids of customers stand in it by hashes that are
// keyed, and the key lies elsewhere.
type ForgetList struct {
	Key       []byte // privacy.KeySize bytes
	Customers []ForgetEntry
}

// A ForgetEntry is a customer of a ForgetList.
type ForgetEntry struct {
	Request   string // its id: who has forgotten by that request has nothing left to do
	Digest    [32]byte
	Books     bool // balance transactions, too
	Requested time.Time
}

// ForgetDigest is how a ForgetList with that key names a customer.
func ForgetDigest(key []byte, customer string) [32]byte {
	return privacy.NewDigester(key).Of([]byte(customer))
}

// listKeyPath is where a copy keeps the key of the list that it shares with others,
// beside its own: webhooks come to it without anybody who has the list.
func listKeyPath(dir string) string { return filepath.Join(dir, "forget.key") }

// listKey returns the key of the shared list, nil where the copy has none.
func listKey(dir string) ([]byte, error) {
	text, err := os.ReadFile(listKeyPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of the list of forgotten customers: %w", err)
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != privacy.KeySize {
		return nil, fmt.Errorf("%s does not hold a key of 64 hexadecimal digits", listKeyPath(dir))
	}
	return key, nil
}

// forgetKeys returns the keys that the requests of a copy are hashed with. What is
// learned is noted by the first of them, which is the copy's own if it has one, whose id
// own is: privacy rules hash with that, and what they hashed is found by it alone.
func forgetKeys(dir, own string, requests []sqlstore.ForgetRequest) (keys [][]byte, err error) {
	shared, err := listKey(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	if own != "" {
		ids = append(ids, own)
	}
	for _, r := range requests {
		if !slices.Contains(ids, r.KeyID) {
			ids = append(ids, r.KeyID)
		}
	}
	for _, id := range ids {
		key := shared
		if shared == nil || keyID(shared) != id {
			if key, err = readKey(dir, id); err != nil {
				return nil, err
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// adopt takes over what a shared list has and the copy has not heard of. From then
// on it is as if it had been asked for here: also what is stored is removed.
func (h *home) adopt(ctx context.Context, list ForgetList) error {
	if len(list.Customers) == 0 {
		return nil
	}
	known, err := h.store.ForgetRequests(ctx)
	if err != nil {
		return err
	}
	id := keyID(list.Key)
	for _, c := range list.Customers {
		if slices.ContainsFunc(known, func(r sqlstore.ForgetRequest) bool { return r.ID == c.Request }) {
			continue
		}
		if have, err := listKey(h.dir); err != nil || have == nil || keyID(have) != id {
			if err := atomicfile.Write(listKeyPath(h.dir), []byte(hex.EncodeToString(list.Key)+"\n")); err != nil {
				return fmt.Errorf("write the key of the list of forgotten customers: %w", err)
			}
		}
		r := sqlstore.ForgetRequest{ID: c.Request, KeyID: id, Customer: c.Digest, Requested: c.Requested}
		if err := h.store.AskForget(ctx, r, ForgetRequest{Books: c.Books}.kind()); err != nil {
			return err
		}
	}
	return nil
}
