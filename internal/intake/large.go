package intake

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// Initialize begins a file that comes in pieces. What had its path before goes.
func (s *Service) Initialize(ctx context.Context, c access.Caller, batch, datasetID, path string) (File, error) {
	b, err := s.loading(ctx, c, batch, datasetID)
	if err != nil {
		return File{}, err
	}
	if err := checkPath(path); err != nil {
		return File{}, err
	}
	u := upload{Path: path, Name: "file-" + uuid.NewString(), Open: true}
	dir, err := s.makeStaging(scope(c), b.ID)
	if err != nil {
		return File{}, err
	}
	_, err = s.land(ctx, c, b, &u, dir, strings.NewReader(""))
	return u.file(), err
}

// A Range is the place of a piece in its file.
type Range struct {
	From, To int64 // first byte, and the one behind the last
	Total    int64 // bytes of the whole file; 0 if that is not told
}

// ParseRange reads a Content-Range: bytes 0-99/*, bytes 0-99/200.
func ParseRange(text string) (Range, error) {
	bad := problem.Errorf(problem.Invalid, "the header Content-Range is %q: it must look like bytes 0-104857599/*", text)
	unit, rest, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return Range{}, bad
	}
	span, total, ok := strings.Cut(strings.TrimSpace(rest), "/")
	first, last, dash := strings.Cut(span, "-")
	if !ok || !dash {
		return Range{}, bad
	}
	var r Range
	var end int64
	var okFrom, okTo bool
	r.From, okFrom = digits(first)
	end, okTo = digits(last)
	if !okFrom || !okTo || end < r.From {
		return Range{}, bad
	}
	r.To = end + 1
	if total != "*" {
		if r.Total, ok = digits(total); !ok || r.Total < r.To {
			return Range{}, bad
		}
	}
	return r, nil
}

func digits(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 62)
	return n, err == nil
}

// Patch stores a piece of a file. Pieces may come in any order, and several at
// once; they must not overlap.
func (s *Service) Patch(ctx context.Context, c access.Caller, batch, datasetID, path string, r Range, body io.Reader) (File, error) {
	b, err := s.loading(ctx, c, batch, datasetID)
	if err != nil {
		return File{}, err
	}
	if r.To-r.From > maxPart || max(r.To, r.Total) > maxLarge {
		return File{}, tooLarge("a piece may have %d bytes and a file %d", maxPart, int64(maxLarge))
	}
	now, err := s.Head(ctx, c, b.ID, datasetID, path)
	if err != nil {
		return File{}, err
	}
	if !now.Open {
		return File{}, problem.Errorf(problem.Invalid, "the file %q takes no pieces: begin it with ?action=INITIALIZE", path)
	}
	place := [2]int64{r.From, r.To}
	leave, ok := s.reserve(now.name, place)
	if !ok || overlaps(now.Parts, place) {
		if ok {
			leave()
		}
		return File{}, problem.Errorf(problem.Invalid, "bytes %d-%d of %q overlap with a piece that is there, or on its way", r.From, r.To-1, path)
	}
	defer leave()
	if err := writePiece(filepath.Join(s.staging(scope(c), b.ID), now.name), r, body); err != nil {
		return File{}, err
	}
	s.at(AtPiece)
	var out File
	err = s.change(ctx, c, b, path, func(_ *docstore.Tx, u *upload) error {
		switch {
		case u.Name != now.name || !u.Open:
			return problem.Errorf(problem.Invalid, "the file %q was begun anew or completed meanwhile", path)
		case overlaps(u.Parts, place):
			return problem.Errorf(problem.Invalid, "bytes %d-%d of %q overlap with a piece that is there", r.From, r.To-1, path)
		case r.Total != 0 && u.Total != 0 && r.Total != u.Total:
			return problem.Errorf(problem.Invalid, "the file %q has %d bytes by this Content-Range and %d by one before", path, r.Total, u.Total)
		}
		if r.Total != 0 {
			u.Total = r.Total
		}
		if u.Parts = join(u.Parts, place); len(u.Parts) > maxParts {
			return problem.Errorf(problem.Invalid, "the file %q has more than %d pieces that do not touch", path, maxParts)
		}
		out = u.file()
		return nil
	})
	return out, err
}

// reserve keeps others from writing to the same place of a file.
func (s *Service) reserve(name string, place [2]int64) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.writing[name] {
		if overlap(p, place) {
			return nil, false
		}
	}
	if s.writing == nil {
		s.writing = map[string]map[[2]int64]bool{}
	}
	if s.writing[name] == nil {
		s.writing[name] = map[[2]int64]bool{}
	}
	s.writing[name][place] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if delete(s.writing[name], place); len(s.writing[name]) == 0 {
			delete(s.writing, name)
		}
	}, true
}

func overlap(a, b [2]int64) bool { return a[0] < b[1] && b[0] < a[1] }

func overlaps(parts [][2]int64, p [2]int64) bool {
	return slices.ContainsFunc(parts, func(q [2]int64) bool { return overlap(p, q) })
}

// join adds a part to parts that are in order and apart.
func join(parts [][2]int64, p [2]int64) [][2]int64 {
	all := append(slices.Clone(parts), p)
	slices.SortFunc(all, func(a, b [2]int64) int {
		if a[0] < b[0] {
			return -1
		}
		return 1
	})
	out := all[:1]
	for _, q := range all[1:] {
		if last := &out[len(out)-1]; last[1] == q[0] {
			last[1] = q[1]
			continue
		}
		out = append(out, q)
	}
	return out
}

func writePiece(path string, r Range, body io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return diskFault(err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(f, r.From)}, io.LimitReader(body, r.To-r.From), make([]byte, 256<<10))
	if err == nil {
		var more [1]byte
		if extra, _ := io.ReadFull(body, more[:]); extra > 0 || n < r.To-r.From {
			err = problem.Errorf(problem.Invalid, "the body does not have the %d bytes that Content-Range says", r.To-r.From)
		}
	}
	if err == nil {
		err = f.Sync()
	}
	return diskFault(errors.Join(err, f.Close()))
}

// CompleteFile ends a file that came in pieces. Where one is missing, it is
// problem.Invalid.
func (s *Service) CompleteFile(ctx context.Context, c access.Caller, batch, datasetID, path string) (File, error) {
	b, err := s.loading(ctx, c, batch, datasetID)
	if err != nil {
		return File{}, err
	}
	if _, err := s.Head(ctx, c, b.ID, datasetID, path); err != nil {
		return File{}, err
	}
	var out File
	err = s.change(ctx, c, b, path, func(_ *docstore.Tx, u *upload) error {
		if !u.Open {
			out = u.file() // it was, and the answer got lost
			return nil
		}
		if err := whole(*u); err != nil {
			return err
		}
		if len(u.Parts) == 1 {
			u.Size = u.Parts[0][1]
		}
		u.Open, u.Parts = false, nil
		out = u.file()
		return nil
	})
	return out, err
}

// whole says which piece of a file is missing.
func whole(u upload) error {
	switch {
	case len(u.Parts) == 0:
		return problem.Errorf(problem.Invalid, "no piece of %q has come", u.Path)
	case u.Parts[0][0] != 0:
		return problem.Errorf(problem.Invalid, "bytes 0-%d of %q are missing", u.Parts[0][0]-1, u.Path)
	case len(u.Parts) > 1:
		return problem.Errorf(problem.Invalid, "bytes %d-%d of %q are missing", u.Parts[0][1], u.Parts[1][0]-1, u.Path)
	case u.Total != 0 && u.Parts[0][1] != u.Total:
		return problem.Errorf(problem.Invalid, "bytes %d-%d of %q are missing", u.Parts[0][1], u.Total-1, u.Path)
	}
	return nil
}
