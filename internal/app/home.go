package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A home is a directory of the embedded mode, open for writing.
//
//	lock            held by the one writer
//	tributary.db    account, quarantine, drift, reads
//	index/          id → version, rebuildable
//	lake/           the Iceberg catalog and the tables
type home struct {
	dir    string
	unlock func()
	store  *store
	index  *idindex.Index
	lake   *lake.Lake
}

func databasePath(dir string) string { return filepath.Join(dir, "tributary.db") }

// exists says whether dir is a directory of ours already.
func exists(dir string) bool {
	_, err := os.Stat(databasePath(dir))
	return err == nil
}

func openHome(ctx context.Context, dir string) (h *home, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	h = &home{dir: dir}
	defer func() {
		if err != nil {
			h.Close()
		}
	}()
	if h.unlock, err = sqlstore.AcquireLock(dir); err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, databasePath(dir))
	if err != nil {
		return nil, unusable(dir, err)
	}
	h.store = &store{db}
	if h.index, err = idindex.Open(filepath.Join(dir, "index")); err != nil {
		return nil, unusable(dir, err)
	}
	if h.lake, err = lake.Open(ctx, dir); err != nil {
		return nil, unusable(dir, err)
	}
	return h, nil
}

// unusable explains why the directory can't be written.
func unusable(dir string, err error) error {
	if problem.KindOf(err) != problem.Internal {
		return err
	}
	return &problem.Error{
		Kind: problem.Internal, Detail: fmt.Sprintf("the directory %s can't be used", dir), Err: err,
		Advice: "Check its permissions and the free space, or name another one with --dir",
	}
}

// Close gives everything back; it may be called on a home half opened.
func (h *home) Close() error {
	var errs []error
	if h.lake != nil {
		errs = append(errs, h.lake.Close())
	}
	if h.index != nil {
		errs = append(errs, h.index.Close())
	}
	if h.store != nil {
		errs = append(errs, h.store.Close())
	}
	if h.unlock != nil {
		h.unlock()
	}
	return errors.Join(errs...)
}

func newRunID() string {
	b := make([]byte, 12)
	rand.Read(b)
	return "run_" + hex.EncodeToString(b)
}

// probe asks Stripe what the key may read.
func (p *pass) probe(ctx context.Context) (stripe.Probe, error) {
	return p.client.Probe(ctx, p.resources)
}

// probeOnce uses what an earlier pass found out, if that was everything and is
// not too old. It reports whether Stripe was asked.
func (p *pass) probeOnce(ctx context.Context) (found stripe.Probe, asked bool, err error) {
	text, at, err := p.home.store.Probed(ctx, p.Key.Fingerprint(p.Account))
	if err != nil {
		return stripe.Probe{}, false, err
	}
	var known probeRecord
	if text != "" && time.Since(at) < probeFor && json.Unmarshal([]byte(text), &known) == nil && known.covers(p.resources) {
		return stripe.Probe{Account: known.Account, Mode: known.Mode}, false, nil
	}
	found, err = p.probe(ctx)
	return found, true, err
}

// A probeRecord is what is kept of a probe: {"account":"acct_1","mode":1,"resources":["charges"]}.
type probeRecord struct {
	Account   string      `json:"account"`
	Mode      stripe.Mode `json:"mode"`
	Resources []string    `json:"resources"` // that the key may read
}

func (r probeRecord) covers(resources []stripe.Resource) bool {
	may := map[string]bool{}
	for _, name := range r.Resources {
		may[name] = true
	}
	for _, want := range resources {
		if !may[want.Name] {
			return false
		}
	}
	return true
}

func (p *pass) remember(ctx context.Context, found stripe.Probe) error {
	rec := probeRecord{Account: found.Account, Mode: found.Mode}
	for _, r := range p.resources {
		if found.Refused[r.Name] == nil {
			rec.Resources = append(rec.Resources, r.Name)
		}
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return p.home.store.Remember(ctx, p.Key.Fingerprint(p.Account), string(text), time.Now())
}
