package duck

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// fake are rows from memory.
type fake struct {
	columns []column
	rows    [][]any
	err     error
	at      int
}

func (f *fake) describe() []column { return f.columns }
func (f *fake) Next() bool         { f.at++; return f.at <= len(f.rows) }
func (f *fake) Values() []any      { return f.rows[f.at-1] }
func (f *fake) Err() error         { return f.err }

func everything() *fake {
	noon := time.Date(2026, 1, 31, 12, 0, 0, 500_000_000, time.UTC)
	return &fake{
		columns: []column{{"text", false}, {"n", true}, {"n", true}, {"value", false}},
		rows: [][]any{
			{"plain", int64(-1), Decimal("12.50"), nil},
			{"", int64(math.MaxInt64), Decimal("-0.05"), true},
			{nil, uint64(math.MaxUint64), nil, Document(`{"a": [1, 2.50]}`)},
			{"comma, \"quote\"", new(big.Int).Lsh(big.NewInt(1), 100), float32(0.1), Document("{\n \"a\":\r\n \"\\n\" }")},
			{"line\nfeed\r\ttab\x00\x1b[31m\u0085\u202egnp", 0.1, math.NaN(), math.Inf(-1)},
			{"日本語 😀 é e\u0301", 1e300, 1e-7, noon},
			{"a\xff b", 100000.0, math.Copysign(0, -1), []byte{0, 255}},
			{strings.Repeat("wörd ", 40), nil, nil, []any{int64(1), nil, "x\"y"}},
			{"nested", nil, nil, Struct{[]string{"b", "a"}, []any{Map{{"k", int64(1)}, {int64(2), nil}}, []any{}}}},
			{"date", nil, nil, "2026-01-31"},
		},
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, format := range Formats {
		for name, rows := range map[string]*fake{
			"everything": everything(),
			"none":       {columns: []column{{"a", false}, {"b", true}}},
			"one":        {columns: []column{{"count_star()", true}}, rows: [][]any{{int64(1234567)}}},
		} {
			t.Run(format+"/"+name, func(t *testing.T) {
				t.Parallel()
				var b bytes.Buffer
				n, err := write(&b, rows, format)
				if n != len(rows.rows) || err != nil {
					t.Errorf("%d rows, %v", n, err)
				}
				golden := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), b.String()); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// What other programs must be able to read, is read here by the standard
// library.
func TestWriteReadsBack(t *testing.T) {
	t.Parallel()
	var array, lines, table bytes.Buffer
	for format, w := range map[string]io.Writer{"json": &array, "ndjson": &lines, "csv": &table} {
		if _, err := write(w, everything(), format); err != nil {
			t.Fatal(err)
		}
	}
	var fromArray, fromLines []map[string]any
	if err := json.Unmarshal(array.Bytes(), &fromArray); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines.String()) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		fromLines = append(fromLines, row)
	}
	if diff := cmp.Diff(fromArray, fromLines); diff != "" {
		t.Errorf("json and ndjson differ: %s", diff)
	}
	if got := fromArray[4]["text"]; got != "line\nfeed\r\ttab\x00\x1b[31m\u0085\u202egnp" {
		t.Errorf("text came back as %q", got)
	}
	records, err := csv.NewReader(&table).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 11 || records[4][0] != `comma, "quote"` || records[4][1] != "1267650600228229401496703205376" {
		t.Errorf("csv: %q", records)
	}
	for _, line := range strings.SplitAfter(table.String(), "\n") {
		if strings.HasSuffix(line, "\n") && !strings.HasSuffix(line, "\r\n") && !strings.Contains(line, "line\n") && !strings.Contains(line, "{\n") {
			t.Errorf("a csv record ends without CR LF: %q", line)
		}
	}
}

func TestWriteIsSafeOnATerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if _, err := write(&b, everything(), "table"); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.String() {
		if unsafeRune(r) && r != '\n' {
			t.Errorf("%U reaches the terminal", r)
		}
	}
}

// A table of many rows is not held in memory; what follows the first rows may
// be wider than they are.
func TestLongTable(t *testing.T) {
	t.Parallel()
	rows := &fake{columns: []column{{"i", true}, {"t", false}}}
	for i := range heldRows + 2 {
		rows.rows = append(rows.rows, []any{int64(i), "x"})
	}
	rows.rows[heldRows+1][0] = int64(123456789)
	var b bytes.Buffer
	if _, err := write(&b, rows, "table"); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	want := []string{"  i  t", "───  ─", "  0  x", "1000  x", "123456789  x", "(1002 rows)", ""}
	got := append(append([]string{}, lines[:3]...), lines[len(lines)-4:]...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWriteErrors(t *testing.T) {
	t.Parallel()
	if _, err := write(io.Discard, everything(), "xml"); problem.KindOf(err) != problem.Invalid {
		t.Errorf("unknown format: %v", err)
	}
	broken := errors.New("broken")
	for _, format := range Formats {
		var b bytes.Buffer
		f := everything()
		f.err = broken
		if n, err := write(&b, f, format); !errors.Is(err, broken) || n != len(f.rows) {
			t.Errorf("%s: %d, %v, want the rows' error", format, n, err)
		}
		many := &fake{columns: []column{{"t", false}}}
		for range 100_000 {
			many.rows = append(many.rows, []any{"some text to fill the buffer"})
		}
		if n, err := write(full{}, many, format); !errors.Is(err, errFull) || n == len(many.rows) {
			t.Errorf("%s: went on to row %d after %v", format, n, err)
		}
	}
}

var errFull = errors.New("no space")

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestUnique(t *testing.T) {
	t.Parallel()
	var columns []column
	for _, name := range []string{"a", "b", "a", "a_1", "a", "", ""} {
		columns = append(columns, column{name: name})
	}
	if diff := cmp.Diff([]string{"a", "b", "a_2", "a_1", "a_3", "", "_1"}, unique(columns)); diff != "" {
		t.Error(diff)
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for want, in := range map[Decimal]struct {
		digits string
		scale  int
	}{
		"5": {"5", 0}, "0.05": {"5", 2}, "-0.5": {"-5", 1}, "1.00": {"100", 2}, "-12.345": {"-12345", 3}, "0.00": {"0", 2},
	} {
		if got := newDecimal(in.digits, in.scale); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}

func TestAppendTextIsJSON(t *testing.T) {
	t.Parallel()
	for r := range rune(0x300) {
		s := fmt.Sprintf("a%cb\xf0\x28", r)
		var got string
		if err := json.Unmarshal(appendText(nil, s), &got); err != nil || got != strings.ToValidUTF8(fmt.Sprintf("a%cb\xf0", r), "\ufffd")+"(" {
			t.Fatalf("%q: %q, %v", s, got, err)
		}
	}
}
