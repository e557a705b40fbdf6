//go:build !cgo

package duck

import (
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Catalog{})
	if err == nil || !strings.Contains(err.Error(), "g++") || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("%v", err)
	}
}
