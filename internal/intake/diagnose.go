package intake

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
)

// Names of the files about a batch, below diagnostics/BATCH.
const (
	rowErrors   = "row_errors"
	failedFiles = "failed" // the same files, of a batch that failed
	inputFiles  = "input_files"
	samplesFile = "row_error_samples.json"

	parsingErrors    = "parsing_errors_0.json"
	conversionErrors = "conversion_errors_0.json"
)

// Bounds of what is kept about a batch.
const (
	keepFor    = 30 * 24 * time.Hour
	maxDiag    = 256 << 20 // bytes of a file of failed rows; the rest is only counted
	maxSamples = 100       // rows
)

func (s *Service) diagnostics(sc docstore.Scope, batch string) string {
	return filepath.Join(s.Dir, "diagnostics", key(sc, batch))
}

// A diagnosis collects the rows of a batch that failed, beside its staged
// files, until it is published.
type diagnosis struct {
	on      bool
	dir     string // where it is made
	to      string
	files   map[string]*diagFile
	samples int
}

type diagFile struct {
	f *os.File
	w *bufio.Writer
	n int64
}

// diagnose begins a diagnosis; what one before left is gone.
func (p *promotion) diagnose() (*diagnosis, error) {
	d := &diagnosis{on: p.batch.ErrorDiagnostics, files: map[string]*diagFile{}}
	if !d.on {
		return d, nil
	}
	staging, err := p.makeStaging(p.task.scope(), p.batch.ID)
	if err != nil {
		return nil, err
	}
	d.dir, d.to = filepath.Join(staging, "diagnostics"), p.diagnostics(p.task.scope(), p.batch.ID)
	if err := removeAll(d.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(d.dir, rowErrors), 0o700); err != nil {
		return nil, diskFault(err)
	}
	var list bytes.Buffer
	for _, f := range p.files {
		if err := line(&list, map[string]string{"path": f.Path}); err != nil {
			return nil, err
		}
	}
	_, err = writeFile(filepath.Join(d.dir, inputFiles), &list)
	return d, err
}

func line(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// rowError is one reason why a row failed.
type rowError struct {
	Code    string `json:"code"`
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
}

// validationError is the same in the form of a schema's validation.
type validationError struct {
	CausingExceptions []string `json:"causingExceptions"`
	Keyword           string   `json:"keyword"`
	Message           string   `json:"message"`
	Pointer           string   `json:"pointerToViolation"`
	Schema            string   `json:"schemaLocation"`
}

// add notes a row that failed.
func (d *diagnosis) add(file string, row item) error {
	if !d.on {
		return nil
	}
	name, text := path.Join(rowErrors, conversionErrors), []byte(nil)
	var err error
	if row.corrupt != "" {
		name = path.Join(rowErrors, parsingErrors)
		text, err = encode(struct {
			Errors []rowError `json:"_errors"`
			File   string     `json:"_filename"`
			Row    string     `json:"_corrupt_record"`
		}{[]rowError{{Code: "1401", Message: "Row is corrupted and cannot be read, please fix and resend. " + row.corrupt}}, file, shown(row.text)})
	} else {
		text, err = failedRow(file, row)
	}
	if err != nil {
		return err
	}
	if err := d.write(name, text); err != nil || d.samples == maxSamples {
		return err
	}
	d.samples++
	return d.write(samplesFile, text)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := line(&b, v)
	return b.Bytes(), err
}

// failedRow adds to a row that is an object what is wrong with it.
func failedRow(file string, row item) ([]byte, error) {
	var more struct {
		Errors      []rowError        `json:"_errors"`
		Validations []validationError `json:"_validationErrors"`
		File        string            `json:"_filename"`
	}
	more.File = file
	for _, v := range row.violations {
		more.Errors = append(more.Errors, rowError{Code: codeInvalid, Column: v.Path, Message: v.Message})
		more.Validations = append(more.Validations, validationError{[]string{}, v.Keyword, v.Message, pointer(v), "#/"})
	}
	for _, v := range row.warnings {
		more.Errors = append(more.Errors, rowError{Code: codeConvert, Column: v.Path, Message: v.Message})
	}
	tail, err := encode(more)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, row.text); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(compact.Bytes(), []byte("}"))
	if len(text) > 1 {
		text = append(text, ',')
	}
	return append(text, tail[1:]...), nil
}

// pointer returns the path of a violation as a JSON pointer in a URI.
func pointer(v tables.Violation) string {
	if v.Path == "" {
		return "#"
	}
	p := strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(v.Path)
	return "#/" + p
}

func (d *diagnosis) write(name string, text []byte) error {
	f := d.files[name]
	if f == nil {
		file, err := os.OpenFile(filepath.Join(d.dir, filepath.FromSlash(name)), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return diskFault(err)
		}
		f = &diagFile{f: file, w: bufio.NewWriterSize(file, 64<<10)}
		d.files[name] = f
	}
	if f.n > maxDiag {
		return nil
	}
	f.n += int64(len(text))
	_, err := f.w.Write(text)
	return diskFault(err)
}

// drop lets go of the files; they are removed with the staged ones.
func (d *diagnosis) drop() {
	if d == nil {
		return
	}
	for _, f := range d.files {
		_ = f.f.Close() // nobody reads it
	}
}

// publish puts the diagnosis where Data Access finds it, in the place of an
// earlier one.
func (d *diagnosis) publish() error {
	if d == nil || !d.on {
		return nil
	}
	for _, f := range d.files {
		if err := errors.Join(f.w.Flush(), f.f.Sync(), f.f.Close()); err != nil {
			return diskFault(err)
		}
	}
	d.files = nil
	if err := errors.Join(syncPath(filepath.Join(d.dir, rowErrors)), syncPath(d.dir)); err != nil {
		return diskFault(err)
	}
	if err := os.MkdirAll(filepath.Dir(d.to), 0o700); err != nil {
		return diskFault(err)
	}
	if err := removeAll(d.to); err != nil {
		return err
	}
	if err := os.Rename(d.dir, d.to); err != nil {
		return diskFault(err)
	}
	return diskFault(errors.Join(syncPath(filepath.Dir(d.to)), syncPath(filepath.Dir(filepath.Dir(d.to)))))
}

// Sweep removes the diagnostics that are older than 30 days, and what uploads
// that were cut short have left.
func (s *Service) Sweep(ctx context.Context) error {
	errs := s.sweepStrays(ctx)
	dir := filepath.Join(s.Dir, "diagnostics")
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(errs, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && s.Now().Sub(info.ModTime()) > keepFor {
			errs = errors.Join(errs, removeAll(filepath.Join(dir, e.Name())))
		}
	}
	return errs
}

// List returns the files about a batch in a folder, row_errors or failed, and
// those outside of them for "".
func (s *Service) List(_ context.Context, c access.Caller, batch, folder string) ([]catalog.File, error) {
	if folder == failedFiles {
		folder = rowErrors
	}
	if folder != rowErrors && folder != "" {
		return nil, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.diagnostics(scope(c), batch), folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskFault(err)
	}
	var files []catalog.File
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // else it went meanwhile
			files = append(files, catalog.File{Path: e.Name(), Bytes: info.Size()})
		}
	}
	return files, nil
}

// Open opens a file about a batch by its name with its folder;
// problem.NotFound.
func (s *Service) Open(_ context.Context, c access.Caller, batch, name string) (io.ReadSeekCloser, error) {
	known := []string{inputFiles, samplesFile, path.Join(rowErrors, parsingErrors), path.Join(rowErrors, conversionErrors)}
	if rest, ok := strings.CutPrefix(name, failedFiles+"/"); ok {
		name = path.Join(rowErrors, rest)
	}
	missing := problem.Errorf(problem.NotFound, "nothing is kept about the batch %s under the name %q", batch, name)
	if !slices.Contains(known, name) {
		return nil, missing
	}
	f, err := os.Open(filepath.Join(s.diagnostics(scope(c), batch), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, diskFault(err)
	}
	return f, nil
}
