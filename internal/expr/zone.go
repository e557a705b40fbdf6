package expr

import (
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on machines without a database of their own
)

var errZone = errors.New("no time zone that is known, like Europe/Paris, UTC or +02:00")

// abbreviations are fixed offsets in minutes. What stands for several zones in
// the world means the one that Java's SHORT_IDS and English texts mean.
var abbreviations = map[string]int{
	"UT": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180,
	"IST": 330, "JST": 540, "AEST": 600, "AEDT": 660, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300,
	"MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
}

// zoneNamed returns the zone for an argument: an offset, a name of the tz
// database, or an abbreviation.
func zoneNamed(name string) (*time.Location, error) {
	if z, ok := universal(name); ok {
		return z, nil
	}
	if z, rest, ok := readOffset(trimUTC(name)); ok && rest == "" {
		return z, nil
	}
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, errZone
	}
	if z, err := time.LoadLocation(name); err == nil {
		return z, nil
	}
	if minutes, ok := abbreviations[name]; ok {
		return time.FixedZone(name, minutes*60), nil
	}
	return nil, errZone
}

func anyZone(name string) (any, error) { return zoneNamed(name) }

// zoneWritten returns the zone that stands behind a time in a text, where
// "PST" is -08:00 on any day of the year.
func zoneWritten(name string) (*time.Location, error) {
	if minutes, ok := abbreviations[name]; ok {
		return time.FixedZone(name, minutes*60), nil
	}
	return zoneNamed(name)
}

func universal(name string) (*time.Location, bool) {
	switch name {
	case "Z", "UTC", "GMT":
		return time.UTC, true
	}
	return nil, false
}

func trimUTC(name string) string {
	for _, prefix := range []string{"UTC", "GMT", "UT"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return rest
		}
	}
	return name
}

// readOffset reads +h, +hh, +hhmm, +h:mm, +hh:mm, +hhmmss or +hh:mm:ss.
func readOffset(s string) (z *time.Location, rest string, ok bool) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return nil, s, false
	}
	var parts [3]int
	at := 1
	for i := range parts {
		from := at
		if i > 0 && from < len(s) && s[from] == ':' {
			from++
		}
		n, width := digitsAt(s, from, 2)
		if width == 0 && i > 0 || width == 1 && i > 0 {
			break
		}
		if width == 0 {
			return nil, s, false
		}
		parts[i], at = n, from+width
		if width == 1 && (at == len(s) || s[at] != ':') {
			break
		}
	}
	seconds := parts[0]*3600 + parts[1]*60 + parts[2]
	if parts[0] > 18 || parts[1] > 59 || parts[2] > 59 {
		return nil, s, false
	}
	if seconds == 0 {
		return time.UTC, s[at:], true
	}
	if s[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone(offsetText(seconds, true), seconds), s[at:], true
}

// digitsAt reads up to most digits at s[i].
func digitsAt(s string, i, most int) (n, width int) {
	for width < most && i+width < len(s) && s[i+width] >= '0' && s[i+width] <= '9' {
		n = n*10 + int(s[i+width]-'0')
		width++
	}
	return n, width
}

// offsetText prints an offset: hours and minutes, and seconds if there are
// any.
func offsetText(seconds int, colon bool) string {
	sep := ""
	if colon {
		sep = ":"
	}
	sign := "+"
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	s := sign + two(seconds/3600) + sep + two(seconds/60%60)
	if seconds%60 != 0 {
		s += sep + two(seconds%60)
	}
	return s
}

func two(n int) string { return string([]byte{'0' + byte(n/10%10), '0' + byte(n%10)}) }

// localTime returns the instant at which clocks in a zone show the given time.
// As in Java, the earlier of two when clocks are set back, and a time that is
// skipped is later by what was skipped.
func localTime(year, month, day, hour, minute, second, nano int, zone *time.Location) time.Time {
	wall := time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before := offset(wall.Add(-24 * time.Hour))
	after := offset(wall.Add(24 * time.Hour))
	if t := wall.Add(-before); offset(t) == before || offset(wall.Add(-after)) != after {
		return t.In(zone)
	}
	return wall.Add(-after).In(zone)
}
