package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of uploads, in bytes.
const (
	maxSmall = 256 << 20   // of a file in one piece
	maxPart  = 512_000_000 // of a piece
	maxLarge = 100 << 30   // of a file in pieces
	maxParts = 10_000      // of a file, that do not touch
)

// A File is one that was uploaded, or is being uploaded in pieces.
type File struct {
	Path string // as the client calls it
	Size int64
	// Open files wait for more pieces; Parts are those that are there, from
	// and behind, in order and apart.
	Open  bool
	Parts [][2]int64
	name  string // in the staging directory
}

// upload is how a file is stored.
type upload struct {
	Path  string     `json:"path"`
	Name  string     `json:"name"`
	Size  int64      `json:"size"`
	Open  bool       `json:"open,omitempty"`
	Total int64      `json:"total,omitempty"` // bytes, as a piece told; 0 if none did
	Parts [][2]int64 `json:"parts,omitempty"`
}

func (u upload) file() File {
	f := File{Path: u.Path, Size: u.Size, Open: u.Open, Parts: u.Parts, name: u.Name}
	if u.Open && len(u.Parts) > 0 {
		f.Size = u.Parts[len(u.Parts)-1][1]
	}
	if !u.Open && u.Size > 0 {
		f.Parts = [][2]int64{{0, u.Size}}
	}
	return f
}

// fileKey is the id of a file's document.
func fileKey(batch, path string) string {
	sum := sha256.Sum256([]byte(path))
	return batch + "/" + hex.EncodeToString(sum[:16])
}

func checkPath(path string) error {
	bad := path == "" || len(path) > 1000 || !utf8.ValidString(path) || strings.ContainsFunc(path, unicode.IsControl)
	for step := range strings.SplitSeq(path, "/") {
		bad = bad || step == "" || step == "." || step == ".."
	}
	if bad {
		return problem.Errorf(problem.Invalid, "a file can't be called %q", path)
	}
	return nil
}

// Put stores a whole file, in the place of what had its path before. It says
// whether there was nothing.
func (s *Service) Put(ctx context.Context, c access.Caller, batch, datasetID, path string, body io.Reader) (_ File, fresh bool, err error) {
	b, err := s.loading(ctx, c, batch, datasetID)
	if err != nil {
		return File{}, false, err
	}
	if err := checkPath(path); err != nil {
		return File{}, false, err
	}
	u := upload{Path: path, Name: "file-" + uuid.NewString()}
	dir, err := s.makeStaging(scope(c), b.ID)
	if err != nil {
		return File{}, false, err
	}
	fresh, err = s.land(ctx, c, b, &u, dir, body)
	return u.file(), fresh, err
}

// land stores a new file and notes it as that of its path. It says whether
// there was none.
func (s *Service) land(ctx context.Context, c access.Caller, b catalog.Batch, u *upload, dir string, body io.Reader) (fresh bool, err error) {
	landed, err := s.stage(ctx, dir, u.Name)
	defer landed()
	if err != nil {
		return false, err
	}
	if u.Size, err = writeFile(filepath.Join(dir, u.Name), body); err == nil {
		s.at(AtStored)
		fresh, err = s.record(ctx, c, b, *u)
	}
	if err != nil {
		_ = s.removeStray(context.WithoutCancel(ctx), strayID(dir, u.Name)) // else the next sweep does
	}
	return fresh, err
}

// makeStaging makes the directory of a batch's files, durably.
func (s *Service) makeStaging(sc docstore.Scope, batch string) (string, error) {
	dir := s.staging(sc, batch)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", diskFault(err)
	}
	for d := filepath.Dir(dir); len(d) >= len(filepath.Clean(s.Dir)); d = filepath.Dir(d) {
		if err := syncPath(d); err != nil {
			return "", err
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	return dir, nil
}

// writeFile writes a new file and flushes it and its directory to the device.
func writeFile(path string, body io.Reader) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, diskFault(err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, body, make([]byte, 256<<10))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = syncPath(filepath.Dir(path))
	}
	return n, diskFault(err)
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// diskFault words an error of the disk, if it is one.
func diskFault(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return &problem.Error{Kind: problem.Unavailable, Detail: "the file can't be stored now", Advice: "Try again later", Err: err}
	}
	return err
}

// record notes an uploaded file, unless the batch was closed meanwhile.
func (s *Service) record(ctx context.Context, c access.Caller, b catalog.Batch, u upload) (fresh bool, err error) {
	var old upload
	dir := s.staging(scope(c), b.ID)
	err = s.change(ctx, c, b, u.Path, func(t *docstore.Tx, now *upload) error {
		old, *now = *now, u
		if old.Name != "" {
			if err := noteStray(t, strayID(dir, old.Name)); err != nil {
				return err
			}
		}
		return forgetStray(t, strayID(dir, u.Name))
	})
	if err != nil {
		return false, err
	}
	if old.Name != "" {
		s.at(AtReplaced)
		_ = s.removeStray(context.WithoutCancel(ctx), strayID(dir, old.Name)) // else the next sweep does
	}
	return old.Name == "", nil
}

// change changes what is known of a file; one that is not there is empty.
func (s *Service) change(ctx context.Context, c access.Caller, b catalog.Batch, path string, do func(*docstore.Tx, *upload) error) error {
	sc := scope(c)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := open(t, sc, b.ID); err != nil {
			return err
		}
		var u upload
		d, err := t.Get(sc, kindFile, fileKey(b.ID, path))
		switch {
		case errors.Is(err, docstore.ErrNotFound):
			d = docstore.Doc{Kind: kindFile, ID: fileKey(b.ID, path), Parent: b.ID}
		case err != nil:
			return err
		default:
			if err := json.Unmarshal(d.Body, &u); err != nil {
				return err
			}
		}
		if err := do(t, &u); err != nil {
			return err
		}
		return t.Store(sc, d, u)
	})
	if errors.Is(err, errShut) {
		return gateway.Fail(http.StatusBadRequest, "", "Bad request", "the batch %s was closed meanwhile: it takes no more files", b.ID)
	}
	return err
}

// open says whether the batch takes files, and makes its gate if there is none.
func open(t *docstore.Tx, sc docstore.Scope, batch string) error {
	d, err := t.Get(sc, kindGate, batch)
	if errors.Is(err, docstore.ErrNotFound) {
		return t.Store(sc, docstore.Doc{Kind: kindGate, ID: batch}, gate{})
	}
	if err != nil {
		return err
	}
	var g gate
	if err := json.Unmarshal(d.Body, &g); err != nil {
		return err
	}
	if g.Shut {
		return errShut
	}
	return nil
}

// files returns the files of a batch in the order of their paths.
func (s *Service) files(ctx context.Context, sc docstore.Scope, batch string) ([]File, error) {
	var files []File
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		files = nil
		docs, err := t.List(sc, kindFile, docstore.Page{Parent: batch})
		if err != nil {
			return err
		}
		for _, d := range docs {
			var u upload
			if err := json.Unmarshal(d.Body, &u); err != nil {
				return fmt.Errorf("file %s: %w", d.ID, err)
			}
			files = append(files, u.file())
		}
		return nil
	})
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, err
}

// Head returns what is there of a file; problem.NotFound.
func (s *Service) Head(ctx context.Context, c access.Caller, batch, datasetID, path string) (File, error) {
	b, err := s.find(ctx, c, batch, datasetID)
	if err != nil {
		return File{}, err
	}
	files, err := s.files(ctx, scope(c), b.ID)
	for _, f := range files {
		if f.Path == path {
			return f, err
		}
	}
	if err == nil {
		err = problem.Errorf(problem.NotFound, "the batch %s has no file %q", b.ID, path)
	}
	return File{}, err
}

func removeAll(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("remove staged files: %w", err)
	}
	return nil
}
