package trial

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of a key's origins.
const (
	maxOrigins = 20
	maxOrigin  = 300 // bytes
)

// originsOf returns origins as browsers write them, each once.
func originsOf(texts []string) (all []string, err error) {
	if len(texts) > maxOrigins {
		return nil, problem.Errorf(problem.Invalid, "origins: a key has %d at most", maxOrigins)
	}
	for i, text := range texts {
		origin, ok := originOf(text)
		if !ok {
			return nil, &problem.Error{
				Kind: problem.Invalid, Detail: fmt.Sprintf("origins[%d]: %.100q is no origin of web pages", i, text),
				Advice: "Name each as https://shop.example or https://shop.example:8443, without a path; none stands for all.",
			}
		}
		if !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all, nil
}

// originOf returns an origin as browsers write it: lower case, without the port
// that the scheme has anyway.
func originOf(text string) (string, bool) {
	u, err := url.Parse(strings.ToLower(text))
	if err != nil || len(text) > maxOrigin || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || len(u.Path) > 1 ||
		strings.ContainsAny(text, "?#*") || strings.HasSuffix(u.Host, ":") {
		return "", false
	}
	for _, c := range u.Host {
		if c <= ' ' || c > '~' { // browsers write names of other letters as xn--
			return "", false
		}
	}
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(u.Host, port), port != ""
}
