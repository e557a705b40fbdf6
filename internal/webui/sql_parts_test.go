package webui

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/chart"
)

func TestStructFields(t *testing.T) {
	t.Parallel()
	const kind = `STRUCT(id VARCHAR, "a, (b" STRUCT(x BIGINT, l STRUCT(y DOUBLE)[]), m MAP(VARCHAR, BIGINT), d DECIMAL(18,2))`
	want := []fieldPath{
		{`c.id`, "VARCHAR"}, {`c."a, (b".x`, "BIGINT"}, {`c."a, (b".l`, "STRUCT(y DOUBLE)[]"}, {`c.m`, "MAP(VARCHAR, BIGINT)"}, {`c.d`, "DECIMAL(18,2)"},
	}
	if diff := cmp.Diff(want, structFields("c", kind, nil)); diff != "" {
		t.Error(diff)
	}
	if got := shortType("STRUCT(" + strings.Repeat("a BIGINT, ", 9) + "b BIGINT)[]"); got != "STRUCT(…)[]" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{`plain_1`, `"Two words"`, `"a""b"`, `"1st"`}, []string{plainName("plain_1"), plainName("Two words"), plainName(`a"b`), plainName("1st")}); diff != "" {
		t.Error(diff)
	}
}

// The place of a fault is in the query, whatever stands in both.
func TestPosition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab 한.:^'")), 0, 30, -1), 1, 4).Draw(t, "lines")
		query := strings.Join(lines, "\n")
		n := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		letters := []rune(lines[n])
		at := rapid.IntRange(0, len(letters)).Draw(t, "at")
		head := "LINE " + string(rune('1'+n)) + ": "
		width := len(head)
		for _, c := range letters[:at] {
			width++
			if c >= 0x1100 {
				width++
			}
		}
		line, column := position(head+lines[n]+"\n"+strings.Repeat(" ", width)+"^", query)
		if line != n+1 || column != at+1 && !strings.HasPrefix(lines[n], "...") {
			t.Fatalf("%d:%d of %q, want %d:%d", line, column, query, n+1, at+1)
		}
		line, column = position(rapid.String().Draw(t, "anything"), query)
		if line < 0 || column < 0 || line > len(lines) {
			t.Fatalf("%d:%d", line, column)
		}
	})
}

// What charts say has a translation.
func TestChartWords(t *testing.T) {
	t.Parallel()
	for _, lang := range Languages[1:] {
		words, err := wordsOf(lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range chart.Texts {
			if words[text] == "" {
				t.Errorf("%s has no translation of %q", lang, text)
			}
		}
	}
}
