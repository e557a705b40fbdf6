package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/audit"
)

// A text is written over wherever it stands, also over the end of what is read at
// once, and lines that come after it are added to the same file.
func TestBlot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), audit.FileName)
	f, err := audit.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Blot("cus_1"); n != 0 || err != nil {
		t.Errorf("nothing there: %d, %v", n, err)
	}
	const part = 256 << 10
	text := "cus_1cus_12 " + strings.Repeat("-", part-14) + "cus_1 \"cus\\u003c\"" + strings.Repeat("-", part-9) + "cus_1\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]int64{"cus_1": 4, "cus<": 1, "absent": 0, "": 0} {
		if n, err := f.Blot(word); n != want || err != nil {
			t.Errorf("%q: %d, %v", word, n, err)
		}
	}
	if err := f.Write(audit.Entry{ID: "after"}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(strings.ReplaceAll(text, "cus_1", "*****"), `cus\u003c`, "*********")
	if !strings.HasPrefix(string(got), want) || !strings.Contains(string(got[len(want):]), `"after"`) || strings.Count(string(got), "\n") != 2 {
		t.Errorf("%d bytes of %d: ends with %q", len(got), len(want), got[max(0, len(got)-200):])
	}
}
