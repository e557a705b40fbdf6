package sqlworker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
)

// A query that names exposures sees those of its sandbox as they are now, and no
// others; nothing of them stays for the next one, and of damaged ones nobody is told
// where they are.
func TestExposures(t *testing.T) {
	t.Parallel()
	at := Exposures{Dir: t.TempDir(), Sandbox: "5b6f0f5e-94c0-4b0a-8e6e-2b9f3c1d7a10"}
	log := &exposure.Log{Dir: at.Dir, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }, Log: slog.New(slog.DiscardHandler)}
	put := func(sandbox, unit string) {
		if err := log.Put(t.Context(), sandbox, exposure.Exposure{Experiment: uuid.MustParse("7b5f7d2a-6f57-4a8b-9a53-0d6a3a1f0001"), Phase: 2, Variant: "gift", Unit: unit}); err != nil {
			t.Fatal(err)
		}
	}
	put(at.Sandbox, "cus_1")
	put("11111111-94c0-4b0a-8e6e-2b9f3c1d7a10", "cus_other")
	p := pool(t)
	ask := func(sql string, of *Exposures) (string, error) {
		var got string
		err := p.Do(t.Context(), "owner", "key", empty, func(s *Session) error {
			r, err := s.Query(t.Context(), Query{SQL: sql, Rows: 10, Bytes: 1 << 20, Exposures: of})
			got = fmt.Sprintf("%s", r.Rows)
			return err
		})
		return got, err
	}
	const all = "SELECT * FROM Experiments.EXPOSURES ORDER BY unit"
	one := `["7b5f7d2a-6f57-4a8b-9a53-0d6a3a1f0001",2,"gift","cus_1",1700000000]`
	if got, err := ask(all, &at); err != nil || got != "["+one+"]" {
		t.Errorf("%s %v", got, err)
	}
	put(at.Sandbox, "cus_2")
	if got, err := ask(all, &at); err != nil || got != "["+one+" "+strings.ReplaceAll(one, "cus_1", "cus_2")+"]" {
		t.Errorf("after one more: %s %v", got, err)
	}
	if got, err := ask("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'experiments'", &at); err != nil || got != "[[0]]" {
		t.Errorf("behind a query: %s %v", got, err)
	}
	if _, err := ask(all, nil); problem.KindOf(err) != problem.Invalid {
		t.Errorf("without exposures: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(at.Dir, at.Sandbox, "*.exposures"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("something else entirely"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(all, &at); problem.KindOf(err) != problem.Unavailable || strings.Contains(err.Error(), at.Dir) {
		t.Errorf("damaged: %v", err)
	}
	if got, err := ask("SELECT 1", &at); err != nil || got != "[[1]]" {
		t.Errorf("what needs none of them: %s %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err = p.Do(ended, "owner", "key", empty, func(s *Session) error {
		_, err := s.Query(ended, Query{SQL: all, Rows: 1, Bytes: 1 << 20, Exposures: &at})
		return err
	})
	if err == nil {
		t.Error("nobody waits any more, and there is an answer")
	}
}
