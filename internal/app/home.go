package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
//	tributary.db    account, quarantine, drift, reads, privacy rules
//	privacy.key     of the rules that hash
//	forget.key      of the list of forgotten customers that copies share
//	index/          id → version, rebuildable
//	lake/           the Iceberg catalog and the tables
type home struct {
	dir    string
	unlock func()
	store  *store
	index  *idindex.Index
	lake   *lake.Lake
	rules  rules
	// forgotten is of whom nothing may be kept; nil for nobody.
	forgotten *forgotten
	// list, if set, is the list that the copy shares with others.
	list func(context.Context) (ForgetList, error)
	// rewrote is what went through the privacy rules when the directory was
	// opened: they are newer than what was stored.
	rewrote Rewrote
}

func databasePath(dir string) string { return filepath.Join(dir, "tributary.db") }

// exists says whether dir is a directory of ours already. One that may not be
// looked into is taken for one: who opens it says why it can't be used.
func exists(dir string) bool {
	_, err := os.Stat(databasePath(dir))
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// Exists says whether there is a copy in dir.
func Exists(dir string) bool { return exists(dir) }

// openHome takes the directory for this process alone, and creates what is
// missing.
func openHome(ctx context.Context, dir string) (*home, error) { return openListed(ctx, dir, nil) }

// openListed is openHome for a copy that shares a list with others of whom they are
// to keep nothing; it may be nil.
func openListed(ctx context.Context, dir string, list func(context.Context) (ForgetList, error)) (*home, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unusable(dir, err)
	}
	h := &home{dir: dir, list: list}
	if err := h.open(ctx); err != nil {
		_ = h.Close() // what failed first is the reason
		return nil, unusable(dir, err)
	}
	return h, nil
}

func (h *home) open(ctx context.Context) (err error) {
	if h.unlock, err = sqlstore.AcquireLock(h.dir); err != nil {
		return err
	}
	db, err := sqlstore.Open(ctx, databasePath(h.dir))
	if err != nil {
		return err
	}
	h.store = &store{db}
	if h.lake, err = lake.Open(ctx, h.dir); err != nil {
		return err
	}
	if err := h.whole(ctx); err != nil {
		return err
	}
	if h.rules, err = loadRules(ctx, h.dir, h.store); err != nil {
		return err
	}
	behind, err := h.behind(ctx)
	if err != nil {
		return err
	}
	index := filepath.Join(h.dir, "index")
	if behind {
		// It has hashes of what is about to change.
		if err := os.RemoveAll(index); err != nil {
			return err
		}
	}
	if h.index, err = idindex.Open(index); err != nil {
		return err
	}
	if behind {
		if err := h.rewrite(ctx); err != nil {
			return err
		}
	}
	if h.list != nil {
		// Now that the database is there: whoever puts somebody on the list sees the
		// copy afterwards, or the copy sees him.
		list, err := h.list(ctx)
		if err == nil {
			err = h.adopt(ctx, list)
		}
		if err != nil {
			return err
		}
	}
	if h.forgotten, err = loadForgotten(ctx, h.dir, h.store); err != nil {
		return err
	}
	_, err = h.forgetMore(ctx)
	return err
}

// whole refuses tables without the database that belongs to them: whose they are
// and what may be kept is known nowhere else.
func (h *home) whole(ctx context.Context) error {
	bound, err := h.store.Bound(ctx)
	if err != nil || bound {
		return err
	}
	tables, err := h.lake.Tables(ctx)
	if err != nil || !slices.ContainsFunc(tables, func(name string) bool { return !strings.HasPrefix(name, recordsPrefix) }) {
		return err
	}
	return &problem.Error{
		Kind: problem.Conflict, Detail: fmt.Sprintf("%s has tables, and its database tributary.db is gone or empty, with the account and the privacy rules", h.dir),
		Advice: "Put the database back, or begin anew in another directory with --dir",
	}
}

// unusable explains why the directory can't be written, where err is the
// machine's.
func unusable(dir string, err error) error {
	if err == nil || problem.KindOf(err) != problem.Internal {
		return err
	}
	if full(err) {
		return &problem.Error{
			Kind: problem.Internal, Detail: fmt.Sprintf("the disk that holds %s is full", dir), Err: innermost(err),
			Advice: "Free some space and run again: what has landed is safe, and the next pass goes on from there",
		}
	}
	said := &problem.Error{
		Kind: problem.Internal, Detail: fmt.Sprintf("the directory %s can't be used", dir), Err: err,
		Advice: "Check its permissions and the free space, or name another one with --dir",
	}
	var known *problem.Error
	if errors.As(err, &known) && known.Advice != "" {
		said.Detail, said.Err, said.Advice = said.Detail+": "+known.Detail, known.Err, known.Advice
	}
	return said
}

// full reports whether err is about space: of the disk, of a quota, or of what
// one file may take.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) || sqlstore.Full(err)
}

// innermost returns the failure of the operating system below err, with the
// file that it is about.
func innermost(err error) error {
	var file *fs.PathError
	var said *problem.Error
	switch {
	case errors.As(err, &file):
		return file
	case errors.As(err, &said) && said.Err != nil:
		return said.Err
	}
	return err
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

// probe asks Stripe what the key may read. That it is nothing is an error.
func (p *pass) probe(ctx context.Context) (stripe.Probe, error) {
	found, err := p.client.Probe(ctx, p.resources)
	if err != nil {
		return found, err
	}
	if p.Since.After(p.client.StripeNow()) {
		// Kept as the copy's bound, it would leave out everything to come.
		return found, problem.Errorf(problem.Invalid, "%s, before which nothing shall be read, lies in the future", p.Since.Format(time.DateOnly))
	}
	var first error
	for _, r := range p.resources {
		e := found.Refused[r.Name]
		if e == nil {
			return found, nil
		}
		if first == nil {
			first = e
		}
	}
	return found, cmp.Or(found.Missing(), first)
}

// probeOnce uses what an earlier pass found out, if that was everything and is
// not too old. It reports whether Stripe was asked.
func (p *pass) probeOnce(ctx context.Context) (found stripe.Probe, asked bool, err error) {
	if p.Inbox && p.found.Refused != nil {
		return p.found, false, nil
	}
	text, at, err := p.home.store.Probed(ctx, p.credential())
	if err != nil {
		return stripe.Probe{}, false, err
	}
	var known probeRecord
	if text != "" && time.Since(at) < probeFor && json.Unmarshal([]byte(text), &known) == nil && known.covers(p.resources) && (p.client.KnowsTime() || p.meet(ctx)) {
		return stripe.Probe{Account: known.Account, Mode: known.Mode, Refused: map[string]*stripe.Error{}}, false, nil
	}
	found, err = p.probe(ctx)
	return found, true, err
}

// meet reads one object, so that Stripe's time is known before ranges are laid
// by it: the host's may be months off. It reports whether that went well.
func (p *pass) meet(ctx context.Context) bool {
	r := p.resources[0]
	query := url.Values{"limit": {"1"}}
	maps.Copy(query, r.Variants[0].Query)
	resp, err := p.client.Get(ctx, r.Path, r.Path, query, 0)
	if err != nil {
		return false
	}
	resp.Release()
	return true
}

// credential names what a probe was about: a key, for an account, at an address.
func (p *pass) credential() string { return credential(p.Key, p.Account, p.URL) }

func credential(key stripe.Key, account, url string) string {
	fingerprint := key.Fingerprint(account)
	if url == "" {
		return fingerprint
	}
	return fingerprint + " " + url
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
	return p.home.store.Remember(ctx, p.credential(), string(text), time.Now())
}
