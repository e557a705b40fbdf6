package webui

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
	"golang.org/x/text/number"

	"github.com/tributary-data/tributary/internal/money"
	"github.com/tributary-data/tributary/internal/webui/assets"
)

// newPrinter returns what writes in a language; it may be used by many at once.
func newPrinter(words catalog.Catalog, lang string) *message.Printer {
	return message.NewPrinter(language.Make(lang), message.Catalog(words))
}

// functions are what templates call. What they write is in the language, and
// times are UTC; the page shows local times beside them by itself.
func functions(words catalog.Catalog, lang string) template.FuncMap {
	p := newPrinter(words, lang)
	say := func(format string, args ...any) string { return p.Sprintf(message.Key(format, format), args...) }
	return template.FuncMap{
		"t":     say,
		"tn":    func(n any, one, many string) (string, error) { return plural(say, n, one, many) },
		"num":   func(v any) (string, error) { return formatInteger(p, v) },
		"money": func(v any, currency string) (string, error) { return formatMoney(p, v, currency) },
		"percent": func(share float64) string {
			return p.Sprint(number.Percent(share, number.MaxFractionDigits(1)))
		},
		"bytes":    func(v any) (string, error) { return formatBytes(p, v) },
		"time":     func(v any) (template.HTML, error) { return formatTime(v, "2006-01-02 15:04:05", true) },
		"day":      func(v any) (template.HTML, error) { return formatTime(v, "2006-01-02", false) },
		"duration": func(v any) (string, error) { return formatDuration(say, v) },
		"asset":    assets.File,
		"dict":     dict,
		"list":     func(v ...any) []any { return v },
		"inc":      func(i int) int { return i + 1 },
		"soft":     soft,
		"json": func(v any) (string, error) {
			b, err := json.MarshalIndent(v, "", "  ")
			return string(b), err
		},
	}
}

// integer takes what decoded JSON, Go code and templates have for a whole
// number.
func integer(v any) (int64, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case json.Number:
		return v.Int64()
	case string:
		return strconv.ParseInt(v, 10, 64)
	}
	return 0, fmt.Errorf("%T is no whole number", v)
}

func plural(say func(string, ...any) string, n any, one, many string) (string, error) {
	i, err := integer(n)
	if i == 1 {
		many = one
	}
	return say(many, i), err
}

func formatInteger(p *message.Printer, v any) (string, error) {
	i, err := integer(v)
	return p.Sprintf("%d", i), err
}

// formatMoney prints an amount of minor units exactly: 1,234.50 EUR.
func formatMoney(p *message.Printer, v any, currency string) (string, error) {
	i, err := integer(v)
	if err != nil {
		return "", err
	}
	return groupDigits(p, money.Format(i, currency)), nil
}

// formatBytes prints a size in the largest unit that leaves one digit or more.
func formatBytes(p *message.Printer, v any) (string, error) {
	i, err := integer(v)
	if err != nil || i < 1000 {
		return p.Sprintf("%d", i) + " B", err
	}
	size, unit := float64(i), 0
	for ; size >= 999.5 && unit < 5; unit++ {
		size /= 1000
	}
	return p.Sprint(number.Decimal(size, number.Precision(3))) + " " + [...]string{"B", "kB", "MB", "GB", "TB", "PB"}[unit], nil
}

// instant takes times as Go and the APIs have them: RFC 3339, or milliseconds
// since 1970. The zero time is none.
func instant(v any) (time.Time, error) {
	switch v := v.(type) {
	case nil:
		return time.Time{}, nil
	case time.Time:
		return v.UTC(), nil
	case string:
		if v == "" {
			return time.Time{}, nil
		}
		t, err := time.Parse(time.RFC3339, v)
		return t.UTC(), err
	}
	ms, err := integer(v)
	if err != nil || ms == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}

// formatTime prints a time in UTC. Its element has the exact time, for the
// page's script to show what it is where the reader is.
func formatTime(v any, layout string, local bool) (template.HTML, error) {
	t, err := instant(v)
	if err != nil || t.IsZero() {
		return "–", err
	}
	zone, mark := "", ""
	if local {
		zone, mark = " UTC", " data-local"
	}
	// Nothing of it comes from outside but the time.
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `"` + mark + `>` + t.Format(layout) + zone + `</time>`), nil //nolint:gosec // see above
}

// formatDuration prints a time.Duration, or milliseconds.
func formatDuration(say func(string, ...any) string, v any) (string, error) {
	d, ok := v.(time.Duration)
	if !ok {
		ms, err := integer(v)
		if err != nil {
			return "", err
		}
		d = time.Duration(ms) * time.Millisecond
	}
	switch {
	case d < time.Second:
		return say("%d ms", d.Milliseconds()), nil
	case d < time.Minute:
		return say("%.1f s", d.Seconds()), nil
	case d < time.Hour:
		return say("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), nil
	case d < 48*time.Hour:
		return say("%d h %d min", int(d.Hours()), int(d.Minutes())%60), nil
	}
	return say("%d days", int(d.Hours()/24)), nil
}

// soft shows a path whose line breaks behind a dot rather than inside of a name.
func soft(path string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(path), ".", ".<wbr>")) //nolint:gosec // it is escaped
}

// dict makes a map of names and values, for a template inside of another.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict needs pairs")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// groupDigits groups the digits before the point of a decimal text.
func groupDigits(p *message.Printer, text string) string {
	begin := 0
	for begin < len(text) && (text[begin] < '0' || text[begin] > '9') {
		begin++
	}
	end := begin
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	whole, err := strconv.ParseInt(text[begin:end], 10, 64)
	if err != nil {
		return text
	}
	return text[:begin] + p.Sprintf("%d", whole) + text[end:]
}

// t says something in the request's language; what it says is English and has
// a translation in locales.
func (r *request) t(format string, args ...any) string {
	return r.print().Sprintf(message.Key(format, format), args...)
}

// tn is t for a number of something.
func (r *request) tn(n int, one, many string) string {
	if n == 1 {
		return r.t(one, n)
	}
	return r.t(many, n)
}

// print returns what writes in the request's language.
func (r *request) print() *message.Printer { return r.ui.printers[r.lang] }

func (u *UI) assets(w http.ResponseWriter, r *http.Request) { assets.Handler().ServeHTTP(w, r) }
