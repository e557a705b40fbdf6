package expr

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A datePattern is a pattern of Java's DateTimeFormatter, with the letters
// that Data Prep names. Weeks are those of ISO 8601, words are English.
type datePattern struct {
	items []patternItem
	fixed string // what is missing for reading dates by it; "" if nothing
}

// A patternItem is a run of one letter, or a literal text (letter 0).
type patternItem struct {
	letter  byte
	n       int
	literal string
}

// letters says how often each letter may stand in a row.
var letters = map[byte]int{
	'G': 5, 'y': 4, 'u': 4, 'Y': 4, 'M': 5, 'L': 5, 'd': 2, 'D': 3, 'E': 5, 'F': 1, 'w': 2, 'W': 1, 'Q': 5, 'q': 5,
	'a': 1, 'H': 2, 'k': 2, 'K': 2, 'h': 2, 'm': 2, 's': 2, 'S': 9, 'z': 3, 'Z': 5, 'X': 5, 'V': 2, 'O': 4,
}

// lettersInOrder is for messages.
const lettersInOrder = "G y Y u M L d D E F w W Q q a H k K h m s S z Z X V O"

func compilePattern(text string) (*datePattern, error) {
	if len(text) > 200 {
		return nil, errors.New("a date pattern of more than 200 bytes")
	}
	p := &datePattern{}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\'':
			literal, n, err := quotedLiteral(text[i:])
			if err != nil {
				return nil, err
			}
			p.items = append(p.items, patternItem{literal: literal})
			i += n
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z':
			n := len(text[i:]) - len(strings.TrimLeft(text[i:], string(c)))
			if err := checkLetter(c, n); err != nil {
				return nil, err
			}
			p.items = append(p.items, patternItem{letter: c, n: n})
			i += n
		case strings.IndexByte("[]{}#", c) >= 0:
			return nil, fmt.Errorf("%q in a date pattern; optional parts can't be used", c)
		default:
			_, n := utf8.DecodeRuneInString(text[i:])
			p.items = append(p.items, patternItem{literal: text[i : i+n]})
			i += n
		}
	}
	p.fixed = p.missing()
	return p, nil
}

func checkLetter(c byte, n int) error {
	most, ok := letters[c]
	switch {
	case !ok:
		return fmt.Errorf("no letter of date patterns: %c; there are %s, and words stand between single quotes", c, lettersInOrder)
	case c == 'z' && n == 4:
		return errors.New("zzzz in a date pattern: long names of zones are not available; VV prints the zone's id")
	case n > most, c == 'V' && n != 2, c == 'O' && n != 1 && n != 4:
		return fmt.Errorf("no form of date patterns: %s", strings.Repeat(string(c), min(n, 12)))
	}
	return nil
}

// quotedLiteral reads 'text', or two quotes that stand for one, at the beginning of s.
func quotedLiteral(s string) (literal string, n int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '\'':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '\'' && i > 1:
			b.WriteByte('\'')
			i++
		case i == 1:
			return "'", 2, nil
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, errors.New("a single quote in a date pattern is not closed")
}

func printPattern(text string) (any, error) { return compilePattern(text) }

func readPattern(text string) (any, error) {
	p, err := compilePattern(text)
	if err == nil && p.fixed != "" {
		return nil, errors.New("a date can't be read by this pattern: " + p.fixed)
	}
	return p, err
}

func (p *datePattern) missing() string {
	have := map[byte]bool{}
	for _, item := range p.items {
		have[item.letter] = true
	}
	for _, c := range "YFwWQq" {
		if have[byte(c)] {
			return fmt.Sprintf("%c can be printed only", c)
		}
	}
	switch {
	case !have['y'] && !have['u']:
		return "it has no year"
	case !have['D'] && !(have['M'] || have['L']):
		return "it has no month"
	case !have['D'] && !have['d']:
		return "it has no day"
	case (have['h'] || have['K']) != have['a']:
		return "h or K and a belong together"
	}
	return ""
}

// format prints t.
func (p *datePattern) format(t time.Time) string {
	var b strings.Builder
	for _, item := range p.items {
		if item.letter == 0 {
			b.WriteString(item.literal)
		} else {
			b.WriteString(item.format(t))
		}
	}
	return b.String()
}

func (it patternItem) format(t time.Time) string {
	switch it.letter {
	case 'G':
		return pick(it.n, "AD", "Anno Domini", "A")
	case 'y', 'u':
		return yearText(t.Year(), it.n)
	case 'Y':
		year, _ := t.ISOWeek()
		return yearText(year, it.n)
	case 'M', 'L':
		if it.n > 2 {
			return pick(it.n, t.Month().String()[:3], t.Month().String(), t.Month().String()[:1])
		}
		return padded(int(t.Month()), it.n)
	case 'E':
		return pick(it.n, t.Weekday().String()[:3], t.Weekday().String(), t.Weekday().String()[:1])
	case 'Q', 'q':
		return quarterText(quarter(t), it.n)
	case 'a':
		return t.Format("PM")
	case 'S':
		return padded(t.Nanosecond(), 9)[:it.n]
	case 'z':
		return t.Format("MST")
	case 'V':
		return t.Location().String()
	case 'Z', 'X', 'O':
		return it.offset(t)
	default:
		return padded(it.number(t), it.n)
	}
}

func (it patternItem) number(t time.Time) int {
	switch it.letter {
	case 'd':
		return t.Day()
	case 'D':
		return t.YearDay()
	case 'F':
		return (t.Day()-1)/7 + 1
	case 'w':
		_, week := t.ISOWeek()
		return week
	case 'W':
		return weekOfMonth(t)
	case 'H':
		return t.Hour()
	case 'k':
		return (t.Hour()+23)%24 + 1
	case 'K':
		return t.Hour() % 12
	case 'h':
		return (t.Hour()+11)%12 + 1
	case 'm':
		return t.Minute()
	default:
		return t.Second()
	}
}

// weekOfMonth counts from the first week with at least four days in the month.
func weekOfMonth(t time.Time) int {
	firstDay := (int(t.AddDate(0, 0, 1-t.Day()).Weekday()) + 6) % 7 // Monday is 0
	week := (t.Day() - 1 + firstDay) / 7
	if firstDay <= 3 {
		week++
	}
	return week
}

func quarter(t time.Time) int { return (int(t.Month())-1)/3 + 1 }

func quarterText(q, n int) string {
	switch n {
	case 3:
		return "Q" + strconv.Itoa(q)
	case 4:
		return []string{"1st", "2nd", "3rd", "4th"}[q-1] + " quarter"
	case 2:
		return padded(q, 2)
	default:
		return strconv.Itoa(q)
	}
}

func (it patternItem) offset(t time.Time) string {
	_, seconds := t.Zone()
	full := func(colon bool) string { return offsetText(seconds, colon) }
	switch {
	case it.letter == 'O' || it.letter == 'Z' && it.n == 4:
		if seconds == 0 {
			return "GMT"
		}
		s := full(true)
		if it.n == 1 { // GMT+8, GMT+5:30
			s = s[:1] + strings.TrimPrefix(s[1:], "0")
			s = strings.TrimSuffix(s, ":00")
		}
		return "GMT" + s
	case seconds == 0 && (it.letter == 'X' || it.n == 5):
		return "Z"
	case it.letter == 'Z':
		return full(it.n == 5)
	case it.n == 1:
		return strings.TrimSuffix(full(false), "00")
	}
	return full(it.n == 3 || it.n == 5)
}

// pick returns the short form for up to three letters, the full one for four,
// the narrow one for five.
func pick(n int, short, full, narrow string) string {
	switch n {
	case 4:
		return full
	case 5:
		return narrow
	}
	return short
}

func yearText(year, n int) string {
	if n == 2 {
		return two(year % 100)
	}
	return padded(year, n)
}

func padded(n, width int) string {
	s := strconv.Itoa(n)
	if len(s) < width {
		return strings.Repeat("0", width-len(s)) + s
	}
	return s
}
