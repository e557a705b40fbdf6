package webui

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"golang.org/x/text/language"
	"golang.org/x/text/message/catalog"
)

// Languages are those that pages come in. English is what the words in
// templates and code are.
var Languages = []string{"en", "ko"}

// Words of other languages: locales/<language>/<area>.json, from English.
//
//go:embed locales
var locales embed.FS

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

const (
	languageCookie = "tributary_lang"
	themeCookie    = "tributary_theme"
)

// pickLanguage returns the language for a browser: what was chosen, else what it
// asks for.
func pickLanguage(r *http.Request) string {
	if c, err := r.Cookie(languageCookie); err == nil && (c.Value == "en" || c.Value == "ko") {
		return c.Value
	}
	_, i := language.MatchStrings(matcher, r.Header.Get("Accept-Language"))
	return Languages[i]
}

func theme(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		return c.Value
	}
	return "auto"
}

// loadWords reads all translations.
func loadWords() (catalog.Catalog, error) {
	b := catalog.NewBuilder(catalog.Fallback(language.English))
	for _, lang := range Languages[1:] {
		translated, err := wordsOf(lang)
		if err != nil {
			return nil, err
		}
		for from, to := range translated {
			if err := b.SetString(language.Make(lang), from, to); err != nil {
				return nil, fmt.Errorf("%q in %s: %w", from, lang, err)
			}
		}
	}
	return b, nil
}

// wordsOf returns the translations into a language.
func wordsOf(lang string) (map[string]string, error) {
	files, err := fs.Glob(locales, "locales/"+lang+"/*.json")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, file := range files {
		b, err := locales.ReadFile(file)
		if err != nil {
			return nil, err
		}
		translated := map[string]string{}
		if err := json.Unmarshal(b, &translated); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for from, to := range translated {
			if have, ok := all[from]; ok && have != to {
				return nil, fmt.Errorf("%s: %q is there already, as %q", file, from, have)
			}
			all[from] = to
		}
	}
	return all, nil
}

// words returns its texts: it marks those that a template says by way of a
// variable, for the test that looks for translations.
func words(texts ...string) []string { return texts }
