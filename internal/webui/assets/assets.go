// Package assets holds the scripts and styles of the pages.
package assets

import (
	"net/http"
)

// File returns the path of an asset.
func File(name string) string { return "/ui/assets/" + name }

// Handler serves the assets.
func Handler() http.Handler { return http.NotFoundHandler() }
