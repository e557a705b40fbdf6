package expr

import (
	"errors"
	"strings"
	"time"
)

var errNoTime = errors.New("the evaluation was given no time")

func dateFunctions() []*function {
	date := param{name: "date", about: "the date-time, or a text that shows one", types: dateOrText}
	component := param{name: "component", about: "the part, ignoring case: year, month, day, hour, minute, second, …", types: textType}
	readable := component
	readable.prepare = datePart
	settable := component
	settable.prepare = settablePart
	pattern := param{name: "fmt", about: "a pattern of Java's DateTimeFormatter", types: textType, prepare: printPattern}
	reading := pattern
	reading.prepare, reading.optional = readPattern, true
	made := &function{
		name: "make_date_time", category: catDate, about: "Makes a date-time of its parts.",
		returns: "the date-time in its zone", result: timeType,
		params: []param{
			{name: "y", about: "the year, 1 to 9999", types: intType},
			{name: "mo", about: "the month, 1 to 12", types: intType},
			{name: "d", about: "the day of the month", types: intType},
			{name: "h", about: "the hour, 0 to 23", types: intType},
			{name: "mi", about: "the minute", types: intType},
			{name: "s", about: "the second", types: intType},
			{name: "nano", about: "the nanosecond", types: intType},
			{name: "tz", about: "the zone", types: textType, prepare: anyZone},
		},
		example: `make_date_time(2019, 10, 17, 11, 55, 12, 999, "America/Los_Angeles")`, gives: `2019-10-17T11:55:12-07:00`,
		call: makeDateTime,
	}
	return []*function{
		{
			name: "now", category: catDate, about: "Tells the time.", returns: "the current date-time in UTC", result: timeType,
			call: func(a args) (Value, error) {
				if a.r.env.Now.IsZero() {
					return Value{}, errNoTime
				}
				return TimeOf(a.r.env.Now.UTC()), nil
			},
		},
		{
			name: "timestamp", category: catDate, about: "Tells the time as a number.", returns: "milliseconds since 1970",
			result: intType,
			call: func(a args) (Value, error) {
				if a.r.env.Now.IsZero() {
					return Value{}, errNoTime
				}
				return IntOf(a.r.env.Now.UnixMilli()), nil
			},
		},
		{
			name: "format", category: catDate, about: "Prints a date-time by a pattern, in its own zone.", returns: "the text",
			result: textType, params: []param{date, pattern},
			example: `format(date("2019-10-23T11:24:35+00:00"), "yyyy-MM-dd HH:mm:ss")`, gives: `"2019-10-23 11:24:35"`,
			call: func(a args) (Value, error) {
				t, err := a.date(0)
				if err != nil {
					return Value{}, err
				}
				return a.printed(t)
			},
		},
		{
			name: "dformat", category: catDate, about: "Prints a time in milliseconds by a pattern, in UTC.", returns: "the text",
			result: textType, params: []param{{name: "ms", about: "milliseconds since 1970", types: intType}, pattern},
			example: `dformat(1571829875000, "yyyy-MM-dd'T'HH:mm:ss.SSSX")`, gives: `"2019-10-23T11:24:35.000Z"`,
			call: func(a args) (Value, error) {
				t := time.UnixMilli(a.v[0].n).UTC()
				if t.Year() < 1 || t.Year() > 9999 {
					return Value{}, a.fail(0, "is a time outside the years 1 to 9999")
				}
				return a.printed(t)
			},
		},
		{
			name: "date", category: catDate, about: "Reads a date-time; in UTC if the text shows no zone, at midnight if no time.",
			returns: "the date-time, or the default if there is no text", result: timeType, nulls: true,
			params: []param{date, reading, {
				name: "default", about: "what to take for null", types: dateOrText, optional: true, null: true,
			}},
			example: `date("2019-10-23 11:24", "yyyy-MM-dd HH:mm")`, gives: `2019-10-23T11:24:00Z`,
			call: readDate,
		},
		{
			name: "date_part", category: catDate, about: "Reads a part of a date-time; weeks are ISO 8601's, Monday is 1.",
			returns: "the part as a number", result: intType, params: []param{readable, date},
			example: `date_part("MM", date("2019-10-17 11:55:12"))`, gives: `10`,
			call: func(a args) (Value, error) {
				part, err := a.made(0)
				if err != nil || !a.has(1) {
					return Value{}, err
				}
				t, err := a.date(1)
				return IntOf(int64(part.(func(time.Time) int)(t))), err
			},
		},
		{
			name: "set_date_part", category: catDate, about: "Replaces a part of a date-time.", returns: "the changed date-time",
			result: timeType, params: []param{settable, {name: "value", about: "the new value of the part", types: intType}, date},
			example: `set_date_part("m", 4, date("2016-11-09T11:44:44.797"))`, gives: `2016-04-09T11:44:44Z`,
			call: setDatePart,
		},
		made, alias(made, "make_timestamp"),
		{
			name: "zone_date_to_utc", category: catDate, about: "Shows a date-time in UTC.", returns: "the same instant",
			result: timeType, params: []param{date},
			example: `zone_date_to_utc("2019-10-17T11:55:12 PST")`, gives: `2019-10-17T19:55:12Z`,
			call: func(a args) (Value, error) {
				t, err := a.date(0)
				return TimeOf(t.UTC()), err
			},
		},
		{
			name: "zone_date_to_zone", category: catDate, about: "Shows a date-time in another zone.", returns: "the same instant",
			result: timeType, params: []param{date, {name: "zone", about: "the zone", types: textType, prepare: anyZone}},
			example: `zone_date_to_zone(date("2021-10-26T13:43:59Z"), "Europe/Paris")`, gives: `2021-10-26T15:43:59+02:00`,
			call: func(a args) (Value, error) {
				zone, err := a.made(1)
				if err != nil {
					return Value{}, err
				}
				t, err := a.date(0)
				return TimeOf(t.In(zone.(*time.Location))), err
			},
		},
	}
}

// date returns the date-time at i, be it one or a text that shows one.
func (a args) date(i int) (time.Time, error) {
	if a.v[i].kind == Time {
		return a.v[i].time(), nil
	}
	if err := a.spend(1000); err != nil { // for some twenty forms
		return time.Time{}, err
	}
	t, err := parseDate(a.text(i))
	if err != nil {
		return time.Time{}, a.fail(i, "%v", err)
	}
	return t, nil
}

// printed returns t by the pattern that is the second argument.
func (a args) printed(t time.Time) (Value, error) {
	p, err := a.made(1)
	if err != nil {
		return Value{}, err
	}
	return TextOf(p.(*datePattern).format(t)), nil
}

func readDate(a args) (Value, error) {
	switch {
	case !a.has(0) && a.has(2):
		t, err := a.date(2)
		return TimeOf(t), err
	case !a.has(0):
		return Value{}, nil
	case len(a.v) == 1 || a.v[0].kind == Time:
		t, err := a.date(0)
		return TimeOf(t), err
	}
	p, err := a.made(1)
	if err != nil {
		return Value{}, err
	}
	t, err := p.(*datePattern).read(a.text(0))
	if err != nil {
		return Value{}, a.fail(0, "%v", err)
	}
	return TimeOf(t), nil
}

var errPart = errors.New("no part of a date")

// datePart returns a func(time.Time) int.
func datePart(name string) (any, error) {
	switch strings.ToLower(name) {
	case "year", "yyyy", "yy":
		return time.Time.Year, nil
	case "quarter", "qq", "q":
		return quarter, nil
	case "month", "mm", "m":
		return func(t time.Time) int { return int(t.Month()) }, nil
	case "dayofyear", "dy", "y":
		return time.Time.YearDay, nil
	case "day", "dd", "d":
		return time.Time.Day, nil
	case "week", "ww", "w":
		return func(t time.Time) int {
			_, week := t.ISOWeek()
			return week
		}, nil
	case "weekday", "dw":
		return func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }, nil
	case "hour", "hh", "hh24":
		return time.Time.Hour, nil
	case "hh12":
		return func(t time.Time) int { return (t.Hour()+11)%12 + 1 }, nil
	case "minute", "mi", "n":
		return time.Time.Minute, nil
	case "second", "ss", "s":
		return time.Time.Second, nil
	case "millisecond", "ms", "sss":
		return func(t time.Time) int { return t.Nanosecond() / 1e6 }, nil
	}
	return nil, errPart
}

// settablePart returns the index of the part: year, month, day, hour, minute,
// second.
func settablePart(name string) (any, error) {
	switch strings.ToLower(name) {
	case "year", "yyyy", "yy":
		return 0, nil
	case "month", "mm", "m":
		return 1, nil
	case "day", "dd", "d":
		return 2, nil
	case "hour", "hh":
		return 3, nil
	case "minute", "mi", "n":
		return 4, nil
	case "second", "ss", "s":
		return 5, nil
	}
	return nil, errPart
}

func setDatePart(a args) (Value, error) {
	made, err := a.made(0)
	if err != nil || !a.has(2) {
		return Value{}, err
	}
	t, err := a.date(2)
	if err != nil {
		return Value{}, err
	}
	part := made.(int)
	p := []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second()}
	value, err := a.count(1, 0, 9999)
	if err != nil {
		return Value{}, err
	}
	p[part] = value
	// As in Java, the last day of the month when a year or a month is set that
	// has no such day.
	if part < 2 && p[0] > 0 && p[1] >= 1 && p[1] <= 12 {
		p[2] = min(p[2], daysIn(p[0], p[1]))
	}
	t, err = checkedTime(p[0], p[1], p[2], p[3], p[4], p[5], t.Nanosecond(), t.Location())
	if err != nil {
		return Value{}, a.fail(1, "%v", err)
	}
	return TimeOf(t), nil
}

func makeDateTime(a args) (Value, error) {
	var p [7]int
	for i := range p {
		n, err := a.count(i, 0, 999999999)
		if err != nil {
			return Value{}, err
		}
		p[i] = n
	}
	zone, err := a.made(7)
	if err != nil {
		return Value{}, err
	}
	t, err := checkedTime(p[0], p[1], p[2], p[3], p[4], p[5], p[6], zone.(*time.Location))
	return TimeOf(t), err
}
