package decision

import (
	"net/http"
	"slices"
)

// # Browsers
//
// A page's script may ask where a key names the page's origin. The browser asks
// first, without the key, whether it may send it: that is answered for the origins
// of all keys, and tells nothing else. What comes then is refused unless the
// key itself has the origin, before anything is decided: nobody counts as exposed to
// what his browser would not show him. Cookies never count here, so no answer
// allows credentials, and none allows all origins.

// preflight tells a browser whether it may send what a page asks for.
func (s *Service) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Cache-Control", "no-store")
	if now := s.now.Load(); now != nil && now.origins[r.Header.Get("Origin")] {
		h.Set(allowOrigin, r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Methods", http.MethodPost)
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, X-Api-Key")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

const (
	allowOrigin   = "Access-Control-Allow-Origin"
	exposeHeaders = "Access-Control-Expose-Headers"
)

// Open lets pages of the origins that keys name read what is said to a call before
// Handler sees it: that its address asks too often, and when it may again.
func (s *Service) Open(h http.Header, r *http.Request) {
	if now := s.now.Load(); now != nil && r.Header.Get("Origin") != "" {
		now.open(h, r)
	}
}

func (now *snapshot) open(h http.Header, r *http.Request) {
	h.Set("Vary", "Origin")
	if origin := r.Header.Get("Origin"); now.origins[origin] {
		h.Set(allowOrigin, origin)
		h.Set(exposeHeaders, "ETag, Retry-After")
	}
}

// admit refuses a page that the key is not for, and else lets it read the answer. A
// nil key is one that isn't known: whoever wrote the page may see that.
func (now *snapshot) admit(h http.Header, r *http.Request, k *key) error {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil // no page of another origin
	}
	now.open(h, r)
	mine := k != nil && slices.Contains(k.origins, origin)
	if k != nil && !mine {
		h.Del(allowOrigin)
		h.Del(exposeHeaders)
	}
	// A server's key comes with the origin of a page where the shop's own server
	// hands on what its pages ask. A browser would not have sent it on its own.
	if k == nil || mine || len(k.origins) == 0 && !now.origins[origin] {
		return nil
	}
	return &fault{status: http.StatusForbidden, details: "this key is not for pages of this origin"}
}
