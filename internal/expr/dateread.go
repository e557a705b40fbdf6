package expr

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

var (
	errDate  = errors.New("not a date of a form that is known")
	errMatch = errors.New("the text does not match the pattern")
	errDay   = errors.New("there is no such day or time")
)

// A dateReader collects the parts of a date from a text.
type dateReader struct {
	s    string
	have [128]bool // by pattern letter

	year, month, day, yearDay, weekday int
	hour, half, minute, second, nano   int
	zone                               *time.Location
}

// read returns the time that s shows, in UTC if it shows no zone.
func (p *datePattern) read(s string) (time.Time, error) {
	r := &dateReader{s: s, month: 1, day: 1, zone: time.UTC}
	for _, item := range p.items {
		var ok bool
		if item.letter == 0 {
			r.s, ok = strings.CutPrefix(r.s, item.literal)
		} else {
			ok = r.item(item)
		}
		if !ok {
			return time.Time{}, errMatch
		}
	}
	if r.s != "" {
		return time.Time{}, errMatch
	}
	return r.time()
}

func (r *dateReader) item(it patternItem) bool {
	r.have[it.letter] = true
	switch it.letter {
	case 'G':
		var ok bool
		r.s, ok = strings.CutPrefix(r.s, pick(it.n, "AD", "Anno Domini", "A"))
		return ok
	case 'y', 'u':
		return r.yearOf(it.n)
	case 'M', 'L':
		if it.n > 2 {
			return r.name(it.n, 12, func(i int) string { return time.Month(i + 1).String() }, &r.month)
		}
		return r.number(it.n, 2, &r.month)
	case 'd':
		return r.number(it.n, 2, &r.day)
	case 'D':
		return r.number(it.n, 3, &r.yearDay)
	case 'E':
		return r.name(max(it.n, 3), 7, func(i int) string { return time.Weekday((i + 1) % 7).String() }, &r.weekday)
	case 'a':
		return r.ampm()
	case 'H', 'k', 'K', 'h':
		return r.number(it.n, 2, &r.hour)
	case 'm':
		return r.number(it.n, 2, &r.minute)
	case 's':
		return r.number(it.n, 2, &r.second)
	case 'S':
		n, width := digitsAt(r.s, 0, it.n)
		for range 9 - width {
			n *= 10
		}
		r.nano, r.s = n, r.s[width:]
		return width == it.n
	default:
		return r.zoneOf()
	}
}

// number reads exactly n digits, or up to most if n is 1.
func (r *dateReader) number(n, most int, into *int) bool {
	if n > 1 {
		most = n
	}
	v, width := digitsAt(r.s, 0, most)
	*into, r.s = v, r.s[width:]
	return width >= n
}

func (r *dateReader) yearOf(n int) bool {
	switch n {
	case 2:
		ok := r.number(2, 2, &r.year)
		r.year += 2000
		return ok
	case 1:
		return r.number(1, 4, &r.year)
	}
	return r.number(4, 4, &r.year)
}

// name reads one of count words, in full or by its first three letters.
func (r *dateReader) name(n, count int, word func(i int) string, into *int) bool {
	for i := range count {
		w := word(i)
		if n == 3 {
			w = w[:3]
		}
		if n == 5 { // one letter doesn't tell June from July
			return false
		}
		if len(r.s) >= len(w) && strings.EqualFold(r.s[:len(w)], w) {
			*into, r.s = i+1, r.s[len(w):]
			return true
		}
	}
	return false
}

func (r *dateReader) ampm() bool {
	for i, w := range []string{"AM", "PM"} {
		if len(r.s) >= 2 && strings.EqualFold(r.s[:2], w) {
			r.half, r.s = i, r.s[2:]
			return true
		}
	}
	return false
}

func (r *dateReader) zoneOf() bool {
	if z, rest, ok := readOffset(trimUTC(r.s)); ok {
		r.zone, r.s = z, rest
		return true
	}
	n := 0
	for n < len(r.s) && (r.s[n]|0x20 >= 'a' && r.s[n]|0x20 <= 'z' || strings.IndexByte("/_+-0123456789", r.s[n]) >= 0) {
		n++
	}
	z, err := zoneWritten(r.s[:n])
	r.zone, r.s = z, r.s[n:]
	return err == nil
}

func (r *dateReader) time() (time.Time, error) {
	switch {
	case r.have['k'] && r.hour == 24, r.have['h'] && r.hour == 12:
		r.hour = 0
	case r.have['k'] && r.hour == 0, r.have['h'] && r.hour == 0, (r.have['h'] || r.have['K']) && r.hour > 11:
		return time.Time{}, errDay
	}
	r.hour += 12 * r.half
	if r.have['D'] {
		first := time.Date(r.year, 1, 1, 0, 0, 0, 0, time.UTC)
		day := first.AddDate(0, 0, r.yearDay-1)
		if r.yearDay < 1 || day.Year() != r.year || r.have['M'] && int(day.Month()) != r.month || r.have['d'] && day.Day() != r.day {
			return time.Time{}, errDay
		}
		r.month, r.day = int(day.Month()), day.Day()
	}
	t, err := checkedTime(r.year, r.month, r.day, r.hour, r.minute, r.second, r.nano, r.zone)
	if err == nil && r.weekday > 0 && int(t.Weekday()) != r.weekday%7 {
		return time.Time{}, errors.New("the day of the week is another one")
	}
	return t, err
}

// checkedTime refuses dates that don't exist, and years before 1 and after
// 9999.
func checkedTime(year, month, day, hour, minute, second, nano int, zone *time.Location) (time.Time, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || nano < 0 || nano > 999999999 {
		return time.Time{}, errDay
	}
	return localTime(year, month, day, hour, minute, second, nano, zone), nil
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// automatic are the patterns by which a text becomes a date (Data Prep, "data
// handling"), in that order.
var automatic = sync.OnceValue(func() []*datePattern {
	var list []*datePattern
	for _, text := range []string{
		"yyyy-MM-dd HH:mm:ssZ", "yyyy-MM-dd HH:mm:ss.SSSZ", "yyyy-MM-dd HH:mm:ss.SSS", "yyyy-MM-dd'T'HH:mm:ss.SSSX",
		"yyyy-MM-dd'T'HH:mm:ss'Z'", "yyyy-MM-dd", "yyyy/MM/dd", "yyyy.MM.dd", "yyyy-MMM-dd", "yyyyMMdd", "MM-dd-yyyy",
		"MMddyyyy", "M/dd/yyyy", "dd.M.yyyy", "M/dd/yyyy hh:mm:ss a", "dd.M.yyyy hh:mm:ss a", "dd.MMM.yyyy", "dd-MMM-yyyy",
	} {
		p, err := compilePattern(text)
		if err != nil {
			panic(fmt.Sprintf("pattern %s: %v", text, err)) // a constant that is wrong
		}
		list = append(list, p)
	}
	return list
})

// parseDate returns the time that a text shows: ISO 8601, also with a blank
// for the T and a zone's name at the end, or one of the automatic patterns.
func parseDate(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if len(s) > 100 {
		return time.Time{}, errDate
	}
	if t, err := readISO(s); !errors.Is(err, errMatch) {
		return t, err
	}
	for _, p := range automatic() {
		if t, err := p.read(s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errDate
}

// readISO reads yyyy-MM-dd[(T| )HH:mm[:ss[.fraction]][zone]]; its error is
// errMatch for a text of another form.
func readISO(s string) (time.Time, error) {
	r := &dateReader{s: s, zone: time.UTC}
	skip := func(chars string) bool {
		if r.s != "" && strings.IndexByte(chars, r.s[0]) >= 0 {
			r.s = r.s[1:]
			return true
		}
		return false
	}
	if !r.number(4, 4, &r.year) || !skip("-") || !r.number(2, 2, &r.month) || !skip("-") || !r.number(2, 2, &r.day) {
		return time.Time{}, errMatch
	}
	if r.s != "" {
		if !skip("T ") || !r.number(2, 2, &r.hour) || !skip(":") || !r.number(2, 2, &r.minute) {
			return time.Time{}, errMatch
		}
		if skip(":") && !r.number(2, 2, &r.second) {
			return time.Time{}, errMatch
		}
		if skip(".,") {
			_, width := digitsAt(r.s, 0, 9)
			if width == 0 || !r.item(patternItem{letter: 'S', n: width}) {
				return time.Time{}, errMatch
			}
		}
		skip(" ")
		if r.s != "" && !r.zoneOf() {
			return time.Time{}, errMatch
		}
		if id, ok := strings.CutPrefix(r.s, "["); ok { // Java's ZonedDateTime: +02:00[Europe/Paris]
			id, rest, closed := strings.Cut(id, "]")
			zone, err := zoneNamed(id)
			if err != nil || !closed {
				return time.Time{}, errMatch
			}
			if rest != "" {
				return time.Time{}, errMatch
			}
			t, err := checkedTime(r.year, r.month, r.day, r.hour, r.minute, r.second, r.nano, r.zone)
			return t.In(zone), err
		}
		if r.s != "" {
			return time.Time{}, errMatch
		}
	}
	return checkedTime(r.year, r.month, r.day, r.hour, r.minute, r.second, r.nano, r.zone)
}
