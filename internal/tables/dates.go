package tables

import (
	"strings"
	"time"
)

// Texts of a table's dates and instants: what lake takes.
const instantForm = "2006-01-02T15:04:05.000Z"

// readDate reads the JSON form of a date.
func readDate(text string) (string, bool) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 {
		return "", false
	}
	return t.Format(time.DateOnly), true
}

// readInstant reads the JSON form of a time, RFC 3339; without a zone it is
// UTC, as everywhere in the platform. What is finer than a millisecond is cut
// off.
func readInstant(text string) (string, bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	upper := strings.ToUpper(text)
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, upper); err == nil {
			return instant(t)
		}
	}
	return "", false
}

func instant(t time.Time) (string, bool) {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", false
	}
	return t.Format(instantForm), true // which cuts off
}

// forms are the patterns of texts that become dates by themselves, in the
// order in which they are tried (contract of data preparation, data handling).
var forms = []string{
	"2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05.000Z0700", "2006-01-02 15:04:05.000", "2006-01-02T15:04:05.000Z07",
	"2006-01-02T15:04:05Z", "2006-01-02", "2006/01/02", "2006.01.02", "2006-Jan-02", "20060102", "01-02-2006", "01022006",
	"1/02/2006", "02.1.2006", "1/02/2006 03:04:05 PM", "02.1.2006 03:04:05 PM", "02.Jan.2006", "02-Jan-2006",
}

// guessInstant reads a text by the first form that fits, or as RFC 3339.
func guessInstant(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, form := range forms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), true
		}
	}
	at, ok := readInstant(text)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(instantForm, at)
	return t, err == nil
}
