package expr

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// What compiles prints to what compiles to the same; what does not has a
// place in the text.
func FuzzCompile(f *testing.F) {
	for _, c := range readTables(f) {
		f.Add(c.expr)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Compile(text)
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Reason == "" || at.Pos.Line < 1 || at.Pos.Column < 1 {
				t.Fatalf("%q: %v", text, err)
			}
			if lines := strings.Split(text, "\n"); at.Pos.Line > len(lines) || at.Pos.Column > 1+utf8.RuneCountInString(lines[at.Pos.Line-1]) {
				t.Fatalf("%q: there is no %+v", text, at.Pos)
			}
			return
		}
		printed := e.String()
		if utf8.RuneCountInString(printed) > maxLength { // 1e999 is short
			return
		}
		again, err := Compile(printed)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, printed, err)
		}
		if again.String() != printed {
			t.Fatalf("%q prints as %q, and that as %q", text, printed, again.String())
		}
	})
}

// An evaluation ends, with a value that weighs no more than is allowed and is
// of the kind that was foretold, or with an error.
func FuzzEval(f *testing.F) {
	for _, c := range readTables(f) {
		f.Add(c.expr, `{"data":{"n":5,"list":["a",null,[1.5]],"text":"2019-10-23T11:24:35Z","s":"a:1,b:2"}}`)
	}
	f.Fuzz(func(t *testing.T, text, record string) {
		e, err := Compile(text)
		if err != nil {
			return
		}
		v, err := ParseJSON([]byte(record))
		if err != nil {
			return
		}
		env := &Env{Record: v, Now: tableNow, Random: strings.NewReader("0123456789abcdef0123456789abcdef")}
		got, err := e.Eval(env)
		if err != nil {
			if at := (*Error)(nil); !errors.As(err, &at) || at.Reason == "" || at.Pos.Line < 1 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !(e.Result() | nullType).Has(got.Kind()) {
			t.Fatalf("%q yields %s, which is none of %s", text, got.Kind(), e.Result())
		}
		if got.weight() > maxWeight+v.weight() {
			t.Fatalf("%q yields a value of %d bytes", text, got.weight())
		}
		env.Random = strings.NewReader("0123456789abcdef0123456789abcdef")
		again, err := e.Eval(env)
		if err != nil || !equal(got, again) {
			t.Fatalf("%q yields %s, then %s (%v)", text, got.Text(), again.Text(), err)
		}
		if _, err := ParseJSON(got.AppendJSON(nil)); err != nil && !strings.Contains(err.Error(), "nested deeper") {
			t.Fatalf("%q yields no JSON: %v", text, err)
		}
	})
}

// A date that is read prints to the same instant.
func FuzzDate(f *testing.F) {
	for _, s := range []string{
		"2019-10-23 11:24:35+0200", "2019/10/23", "7/03/2019 12:05:09 AM", "2019-10-17T11:55:12+02:00[Europe/Paris]", "2019-10-17T11:55:12 PST",
	} {
		f.Add(s, "yyyy-MM-dd HH:mm:ss.SSSSSSSSSXXX")
	}
	f.Fuzz(func(t *testing.T, s, pattern string) {
		if p, err := compilePattern(pattern); err == nil {
			p.format(tableNow)
			if p.fixed == "" {
				if _, err := p.read(s); err != nil && err.Error() == "" {
					t.Fatal("an error without words")
				}
			}
		}
		when, err := parseDate(s)
		if err != nil {
			return
		}
		if _, seconds := when.Zone(); seconds%60 != 0 {
			return // RFC 3339 has no seconds in offsets
		}
		again, err := parseDate(when.Format("2006-01-02T15:04:05.999999999Z07:00"))
		if y := when.Year(); y < 1 || y > 9999 {
			return
		}
		if err != nil || !again.Equal(when) {
			t.Fatalf("%q is %s, and that %s (%v)", s, when, again, err)
		}
	})
}
