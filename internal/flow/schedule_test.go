package flow

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Slots are at start + n·interval; a day has 24 hours and a week seven days,
// whatever clocks are put on or back.
func TestSlots(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		start, frequency, interval string
		now, last, after           string // RFC 3339; empty for none
	}{
		{"2024-03-12T18:00:00Z", "minute", "15", "2024-03-12T18:44:59Z", "2024-03-12T18:30:00Z", "2024-03-12T18:45:00Z"},
		{"2024-03-12T18:00:00Z", "minute", "15", "2024-03-12T18:45:00Z", "2024-03-12T18:45:00Z", "2024-03-12T19:00:00Z"},
		{"2024-03-12T18:00:00Z", "minute", "1", "2024-03-12T17:59:59Z", "", "2024-03-12T18:00:00Z"},
		{"2024-03-30T12:00:00+01:00", "day", "1", "2024-03-31T12:30:00+02:00", "2024-03-30T12:00:00+01:00", "2024-03-31T13:00:00+02:00"},
		{"2024-01-01T00:00:00Z", "week", "2", "2024-02-29T00:00:00Z", "2024-02-26T00:00:00Z", "2024-03-11T00:00:00Z"},
		{"2024-03-12T18:00:00Z", "once", "", "2024-03-12T18:00:00Z", "2024-03-12T18:00:00Z", ""},
		{"2024-03-12T18:00:00Z", "once", "", "2024-03-12T17:00:00Z", "", "2024-03-12T18:00:00Z"},
	} {
		at := func(text string) int64 {
			if text == "" {
				return 0
			}
			v, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Fatal(err)
			}
			return v.UnixMilli()
		}
		p, err := (&Schedule{Start: strconv.FormatInt(at(test.start)/1000, 10), Frequency: test.frequency, Interval: test.interval}).pace()
		if err != nil {
			t.Fatal(err)
		}
		if last, after := p.last(at(test.now)), p.after(at(test.now)); last != at(test.last) || after != at(test.after) {
			t.Errorf("%+v: last %s, after %s", test, time.UnixMilli(last).UTC(), time.UnixMilli(after).UTC())
		}
	}
}

// Any schedule that is read has slots that are what their definition says.
func TestSlotsProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Int64Range(0, 99_999_999_999).Draw(t, "start")
		frequency := rapid.SampledFrom([]string{"minute", "hour", "day", "week"}).Draw(t, "frequency")
		interval := rapid.Int64Range(1, maxInterval).Draw(t, "interval")
		now := rapid.OneOf(
			rapid.Int64Range(0, maxTime),
			rapid.Map(rapid.Int64Range(0, 1000), func(n int64) int64 { return min(start*1000+n*interval*steps[frequency], maxTime) }),
			rapid.Int64Range(max(0, start*1000-10), start*1000+10),
		).Draw(t, "now")
		text := `{"startTime":` + strconv.FormatInt(start, 10) + `,"frequency":"` + frequency + `","interval":"` + strconv.FormatInt(interval, 10) + `"}`
		s, err := readSchedule([]byte(text), nil, worldStart)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.pace()
		if err != nil {
			t.Fatal(err)
		}
		slot := func(v int64) bool {
			return v >= start*1000 && (v-start*1000)%(interval*steps[frequency]) == 0
		}
		last, after, first := p.last(now), p.after(now), p.first(now)
		switch {
		case after <= now || !slot(after) || !slot(first):
			t.Fatalf("after %d, first %d", after, first)
		case now < start*1000:
			if last != 0 || after != start*1000 || first != after {
				t.Fatalf("last %d, after %d, first %d before the start", last, after, first)
			}
		case last > now || !slot(last) || after-last != interval*steps[frequency] || first != last:
			t.Fatalf("last %d, after %d, first %d", last, after, first)
		}
	})
}

// What is stored is read back as the same, and may always replace itself.
func TestScheduleIsStable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &Schedule{
			Start: strconv.FormatInt(rapid.Int64Range(0, 99_999_999_999).Draw(t, "start"), 10), Frequency: rapid.SampledFrom([]string{once, "minute", "hour", "day", "week"}).Draw(t, "frequency"),
		}
		text := `{"startTime":"` + s.Start + `","frequency":"` + s.Frequency + `"`
		if s.Frequency != once {
			s.Interval, s.Backfill = strconv.FormatInt(rapid.Int64Range(1, maxInterval).Draw(t, "interval"), 10), rapid.SampledFrom([]string{"true", "false"}).Draw(t, "backfill")
			text += `,"interval":` + s.Interval + `,"backfill":` + s.Backfill
		}
		now := time.Unix(rapid.Int64Range(0, 99_999_999_999).Draw(t, "now"), 0)
		for _, old := range []*Schedule{nil, s} {
			got, err := readSchedule([]byte(text+"}"), old, now)
			if err != nil || *got != *s {
				t.Fatalf("%s: %+v, %v", text, got, err)
			}
		}
	})
}
