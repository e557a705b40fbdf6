package intake

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

// readAll reads a text as a file of a format, with and without a schema.
func readAll(t *testing.T, f catalog.InputFormat, text []byte) {
	t.Helper()
	k, err := tables.NewChecker(&xdm.Composition{Fields: []*xdm.Field{
		{Name: "a", Kind: xdm.Long}, {Name: "b", Kind: xdm.String, Required: true}, {Name: "c", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.DateTime}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, check := range []*tables.Checker{k, nil} {
		r := &reader{ctx: context.Background(), format: f, check: check, path: path}
		rows := 0
		err := r.each(func(i item) error {
			if rows++; rows > len(text)+1 {
				t.Fatalf("more rows than bytes in %q", text)
			}
			if good := i.corrupt == "" && len(i.violations) == 0; good && check != nil && !json.Valid(i.record) {
				t.Errorf("%q became %q", text, i.record)
			}
			if i.corrupt == "" && len(i.violations) > 0 {
				line, err := failedRow("f", i)
				if err != nil || !json.Valid(line) {
					t.Errorf("%q is told of as %q, %v", i.text, line, err)
				}
			}
			return nil
		})
		if _, ok := errors.AsType[*fileError](err); err != nil && !ok {
			t.Errorf("%q: %v", text, err)
		}
		p := previewing{at: map[string]int{}, n: 10}
		if err := (&reader{ctx: context.Background(), format: f, path: path}).each(p.row); err != nil && !errors.Is(err, errStop) {
			if _, ok := errors.AsType[*fileError](err); !ok {
				t.Errorf("preview of %q: %v", text, err)
			}
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":"x"}` + "\n{", `[{"b":"]\""},` + "\n" + `{"b":"x"}]`, "[,]", `{"b":"x"}{"b":"y"}`, "\ufeff[]", `}`, `,`, `["\\"]`, "[1 2]", "\"a", `{"":"\0"}`,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, multi bool) {
		readAll(t, catalog.InputFormat{Format: "json", IsMultiLineJSON: multi}, text)
	})
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,x\n", "a;b\r\n'x';\"y\"\n", "b\n\"never", "b\n\"a\"\"b\\\"\"c\n", ",\n", "\xff\xfe", "b\r\r\n\r\n"} {
		f.Add([]byte(s), ",", `"`, `\`, true)
		f.Add([]byte(s), ";", "'", "'", false)
	}
	f.Fuzz(func(t *testing.T, text []byte, delimiter, quote, escape string, header bool) {
		format := catalog.InputFormat{Format: "csv", Delimiter: delimiter, Quote: quote, Escape: escape, Header: &header}
		if _, err := csvFormat(&format); err != nil {
			t.Skip()
		}
		readAll(t, format, text)
	})
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/*", "bytes 0-99/100", "bytes 9-0/*", "bytes */100", "bytes 0-9223372036854775807/*", "BYTES  1-2 / 3", "bytes 0-1/1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err == nil && (r.From < 0 || r.To <= r.From || r.Total != 0 && r.Total < r.To) {
			t.Errorf("%q is %+v", text, r)
		}
	})
}
