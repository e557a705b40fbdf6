package guard

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// A credential is the hash of what a call shows to be let in.
type credential [sha256.Size]byte

func credentialOf(r *http.Request) credential {
	h := r.Header
	return sha256.Sum256([]byte(strings.Join(h.Values("Authorization"), "\n") + "\x00" + strings.Join(h.Values("Cookie"), "\n")))
}

// A shown credential is good once a service has taken the call for somebody's:
// that a page is shown to all says nothing of it.
type shown struct{ good atomic.Bool }

type shownKey struct{}

// guesses says whether a path takes secrets from others than its headers: who
// tries them out may well be somebody else besides.
func guesses(path string) bool {
	return strings.HasPrefix(path, "/ims/") || strings.HasPrefix(path, "/ui/signin")
}

// accepted are credentials that were good the last time: an address that many share
// is not shut to them because somebody there guesses, or goes on with a token that
// has ended. It remembers keep of them at least, and twice as many at most.
type accepted struct {
	mu       sync.Mutex
	now, old map[credential]bool
}

func (k *accepted) has(c credential) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now[c] || k.old[c]
}

func (k *accepted) add(c credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil || len(k.now) >= keep {
		k.old, k.now = k.now, map[credential]bool{}
	}
	k.now[c] = true
}

func (k *accepted) drop(c credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.now, c)
	delete(k.old, c)
}

// showing returns the call with a place to say that its credential is good.
func showing(r *http.Request) (*http.Request, *shown) {
	s := &shown{}
	return r.WithContext(context.WithValue(r.Context(), shownKey{}, s)), s
}
