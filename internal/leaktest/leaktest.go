// Package leaktest searches all that a program left, in files, databases and
// texts, for what must stand nowhere.
package leaktest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/url"
	"slices"
	"testing"
)

// Places are where to search.
type Places struct {
	// Dir is searched with all below it: files byte by byte; Parquet and Avro
	// files also decoded; SQLite databases also row by row, as their long values are
	// spread over pages.
	Dir string
	// Postgres is the URL of a database, whose tables on the search path are
	// read whole.
	Postgres string
	// Texts are logs, answers, traces, by name.
	Texts map[string]string
}

// A Find is a needle in a place.
type Find struct {
	Needle string
	Place  string // file below Dir with what of it, table, or name of the text
	Form   string // as it is, hex, base64, …
}

// Scan returns where the needles stand, written as they are or in one of the
// usual encodings. A needle stands in a place once for each form. Scan as well
// for something that must be found: a search that finds nothing proves nothing.
func Scan(t testing.TB, p Places, needles ...string) []Find {
	t.Helper()
	wanted := make([]map[string][][]byte, len(needles))
	for i, n := range needles {
		wanted[i] = forms(n)
	}
	found := map[Find]bool{}
	look := func(place string, text []byte) {
		for i, n := range needles {
			for form, texts := range wanted[i] {
				if slices.ContainsFunc(texts, func(s []byte) bool { return bytes.Contains(text, s) }) {
					found[Find{n, place, form}] = true
				}
			}
		}
	}
	if p.Dir != "" {
		Walk(t, p.Dir, look)
	}
	if p.Postgres != "" {
		walkPostgres(t, p.Postgres, look)
	}
	for name, text := range p.Texts {
		look(name, []byte(text))
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Find) int {
		return bytes.Compare([]byte(a.Place+"\x00"+a.Needle+"\x00"+a.Form), []byte(b.Place+"\x00"+b.Needle+"\x00"+b.Form))
	})
}

// In returns the places of the finds, each once.
func In(finds []Find) []string {
	var places []string
	for _, f := range finds {
		places = append(places, f.Place)
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// forms are the ways in which a text may stand somewhere.
func forms(text string) map[string][][]byte {
	hexed := hex.EncodeToString([]byte(text))
	all := map[string][][]byte{
		"as it is": {[]byte(text)},
		"hex":      {[]byte(hexed), bytes.ToUpper([]byte(hexed))},
	}
	if escaped := url.QueryEscape(text); escaped != text {
		all["escaped"] = [][]byte{[]byte(escaped)}
	}
	// In the midst of other text, one of three base64 texts stands for it.
	for shift := range 3 {
		padded := append(make([]byte, shift), text...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := e.EncodeToString(padded[:len(padded)/3*3])
			if from := (shift*8 + 5) / 6; from < len(encoded) {
				all["base64"] = append(all["base64"], []byte(encoded[from:]))
			}
		}
	}
	return all
}
