package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of a preview.
const (
	previewRows    = 100
	maxPreviewRows = 1000
	maxPreviewCell = 4 << 10 // bytes
	maxColumns     = 10_000
)

// A Preview is the beginning of what was uploaded, cut into columns.
type Preview struct {
	Columns []string // paths of scalars and arrays, with slashes
	Rows    [][]*string
}

// Preview reads the first n rows of the files of a batch, as the format says.
func (s *Service) Preview(ctx context.Context, c access.Caller, batch, datasetID string, f catalog.InputFormat, n int) (Preview, error) {
	b, err := s.find(ctx, c, batch, datasetID)
	if err != nil {
		return Preview{}, err
	}
	if err := checkFormat(&f); err != nil {
		return Preview{}, err
	}
	switch {
	case n < 0 || n > maxPreviewRows:
		return Preview{}, problem.Errorf(problem.Invalid, "the parameter nrow is %d: it must be from 0 to %d", n, maxPreviewRows)
	case n == 0:
		n = previewRows
	}
	files, err := s.files(ctx, scope(c), b.ID)
	if err != nil {
		return Preview{}, err
	}
	p := previewing{at: map[string]int{}, n: n}
	for _, file := range files {
		if file.Open || file.Size == 0 || len(p.Rows) == n {
			continue
		}
		r := &reader{ctx: ctx, format: f, path: filepath.Join(s.staging(scope(c), b.ID), file.name)}
		err := r.each(p.row)
		if bad, ok := errors.AsType[*fileError](err); ok {
			e := bad.of(file.Path)
			return Preview{}, problem.Errorf(problem.Invalid, "%s", e.Description)
		}
		if err != nil && !errors.Is(err, errStop) {
			return Preview{}, err
		}
	}
	return p.Preview, nil
}

type previewing struct {
	Preview
	at map[string]int // columns by path
	n  int
}

func (p *previewing) row(i item) error {
	if i.corrupt == "" {
		cells := map[int]string{}
		var v map[string]any
		d := json.NewDecoder(bytes.NewReader(i.record))
		d.UseNumber()
		if d.Decode(&v) == nil {
			p.flatten("", i.record, cells, 0)
			row := make([]*string, len(p.Columns))
			for at, text := range cells {
				row[at] = &text
			}
			p.Rows = append(p.Rows, row)
		}
	}
	if len(p.Rows) == p.n {
		return errStop
	}
	return nil
}

// flatten spreads an object over columns, in its own order.
func (p *previewing) flatten(path string, object []byte, cells map[int]string, depth int) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return
	}
	for d.More() {
		k, err := d.Token()
		name, ok := k.(string)
		if err != nil || !ok {
			return
		}
		var v json.RawMessage
		if d.Decode(&v) != nil {
			return
		}
		switch {
		case v[0] == '{' && depth < 50:
			p.flatten(path+name+"/", v, cells, depth+1)
		case v[0] != 'n':
			if at := p.column(path + name); at >= 0 {
				cells[at] = plain(v)
			}
		}
	}
}

func (p *previewing) column(path string) int {
	at, ok := p.at[path]
	if !ok {
		if at = len(p.Columns); at == maxColumns {
			return -1
		}
		p.at[path] = at
		p.Columns = append(p.Columns, path)
	}
	return at
}

// plain returns a text without its quotes, any other value as JSON.
func plain(v json.RawMessage) string {
	var text string
	if v[0] != '"' || json.Unmarshal(v, &text) != nil {
		text = string(v)
	}
	if len(text) > maxPreviewCell {
		text = shown([]byte(text[:maxPreviewCell])) + "…"
	}
	return text
}

// view shows a preview the way that the specification has it.
func (p Preview) view(f catalog.InputFormat) any {
	type column struct {
		ID   string `json:"cid"`
		Name string `json:"name"`
	}
	columns, rows := []column{}, []map[string]string{}
	for i, name := range p.Columns {
		columns = append(columns, column{strconv.Itoa(i), name})
	}
	for _, r := range p.Rows {
		row := map[string]string{}
		for i, cell := range r {
			if cell != nil {
				row[strconv.Itoa(i)] = *cell
			}
		}
		rows = append(rows, row)
	}
	return map[string]any{"formatParams": formatView(f), "preview": map[string]any{"columns": columns, "rows": rows}}
}

func formatView(f catalog.InputFormat) map[string]any {
	v := map[string]any{"format": f.Format}
	switch f.Format {
	case "json":
		v["isMultiLineJson"] = f.IsMultiLineJSON
	case "csv":
		s, err := csvFormat(&f)
		if err != nil {
			break // it was checked
		}
		v["delimiter"], v["quote"], v["escape"] = string(s.delimiter), string(s.quote), string(s.escape)
		v["charset"], v["header"], v["nullMarker"] = "UTF-8", s.header, s.null
	}
	return v
}
