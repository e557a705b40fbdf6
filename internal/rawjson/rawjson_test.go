package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseList(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		ids        string
		created    []int64
		more       bool
		nested     bool
		err        bool
	}{
		{name: "empty", body: `{"object":"list","data":[],"has_more":false}`},
		{name: "two", body: ` {"object":"list", "data":[{"id":"a","created":1},{"created":2 ,"id":"b"}], "has_more":true } `, ids: "a b", created: []int64{1, 2}, more: true},
		{name: "has_more first", body: `{"has_more":true,"data":[{"id":"a","created":1}]}`, ids: "a", created: []int64{1}, more: true},
		{name: "escaped id", body: `{"data":[{"id":"\u00e9x","created":1}],"has_more":false}`, ids: "éx", created: []int64{1}},
		{name: "bad ids", body: `{"data":[{"id":5,"created":"x"},{"id":null},7,null,[1]],"has_more":false}`, ids: "- - - - -", created: []int64{-1, -1, -1, -1, -1}},
		{name: "nested ids are not the object's", body: `{"data":[{"x":{"id":"no","created":9},"id":"a","created":1}],"has_more":false}`, ids: "a", created: []int64{1}},
		{name: "nested list", body: `{"data":[{"id":"a","created":1,"items":{"object":"list","has_more" : true,"data":[]}}],"has_more":false}`, ids: "a", created: []int64{1}, nested: true},
		{name: "words in a string", body: `{"data":[{"id":"a","created":1,"d":"\"has_more\": true"}],"has_more":true}`, ids: "a", created: []int64{1}, more: true},
		{name: "cut", body: `{"data":[{"id":"a","created":1}`, err: true},
		{name: "cut in a string", body: `{"data":[{"id":"a`, err: true},
		{name: "cut before the last brace", body: `{"data":[],"has_more":false`, err: true},
		{name: "crossed brackets", body: `{"data":[{"a":[1}]}],"has_more":false}`, err: true},
		{name: "two documents", body: `{"data":[],"has_more":false} {"data":[],"has_more":false}`, err: true},
		{name: "html", body: `<html>502</html>`, err: true},
		{name: "nothing", body: ``, err: true},
		{name: "no data", body: `{"object":"charge","id":"ch_1"}`, err: true},
		{name: "data is an object", body: `{"data":{},"has_more":false}`, err: true},
		{name: "nothing says whether there is more", body: `{"data":[{"id":"a","created":1}]}`, err: true},
		{name: "has_more is text", body: `{"data":[{"id":"a","created":1}],"has_more":"true"}`, err: true},
		{name: "has_more is null", body: `{"data":[{"id":"a","created":1}],"has_more":null}`, err: true},
		{name: "more of nothing", body: `{"data":[],"has_more":true}`, err: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var l List
			err := ParseList([]byte(tt.body), &l)
			if (err != nil) != tt.err {
				t.Fatalf("error %v, want one: %v", err, tt.err)
			}
			if err != nil {
				return
			}
			var ids []string
			for i, it := range l.Items {
				id := string(it.ID)
				if it.ID == nil {
					id = "-"
				}
				ids = append(ids, id)
				if it.Created != tt.created[i] {
					t.Errorf("created of %d: %d, want %d", i, it.Created, tt.created[i])
				}
			}
			if got := strings.Join(ids, " "); got != tt.ids || l.HasMore != tt.more || l.NestedMore != tt.nested {
				t.Errorf("ids %q more %v nested %v, want %q %v %v", got, l.HasMore, l.NestedMore, tt.ids, tt.more, tt.nested)
			}
		})
	}
}

// A body cut anywhere is never taken for a page.
func TestParseListCut(t *testing.T) {
	t.Parallel()
	body := `{"object":"list","data":[{"id":"a\"","created":1,"m":{"k":[1,"]"]}},{"id":"b","created":2}],"has_more":false}`
	for n := range len(body) {
		if err := ParseList([]byte(body[:n]), &List{}); err == nil {
			t.Errorf("no error for the first %d bytes", n)
		}
	}
}

func TestInt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		want int64
		err  error
	}{
		{"0", 0, nil},
		{"-1", -1, nil},
		{"9223372036854775807", 1<<63 - 1, nil},
		{"-9223372036854775808", -1 << 63, nil},
		{"9223372036854775808", 0, ErrRange},
		{"-9223372036854775809", 0, ErrRange},
		{"18446744073709551616", 0, ErrRange},
		{"99999999999999999999999999", 0, ErrRange},
	}
	for _, tt := range tests {
		got, err := Int([]byte(tt.in))
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Int(%s) = %d, %v; want %d, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
	for _, bad := range []string{"", "-", "1.0", "1e3", `"1"`} {
		if _, err := Int([]byte(bad)); err == nil {
			t.Errorf("Int(%s): no error", bad)
		}
	}
}

// Every string that encoding/json writes or reads, String delimits and Unquote
// turns into the same value.
func TestUnquoteProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		quoted, _ := json.Marshal(s)
		text := append(append([]byte("["), quoted...), ']')
		end, _, err := String(text, 1)
		if err != nil || end != len(text)-1 {
			t.Fatalf("String: end %d of %d, %v", end, len(text), err)
		}
		if got := Unquote(nil, quoted[1:len(quoted)-1]); string(got) != s {
			t.Fatalf("got %q", got)
		}
	})
}

func TestSurrogates(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, value, paired string }{
		{`\ud83d\ude00`, "😀", `\ud83d\ude00`},
		{`a\ud83dz`, "a\ufffdz", `a\ufffdz`},
		{`\ude00`, "\ufffd", `\ufffd`},
		{`\ud83d\ud83d\ude00`, "\ufffd😀", `\ufffd\ud83d\ude00`},
		{`\\ud83d`, `\ud83d`, `\\ud83d`},
	}
	for _, tt := range tests {
		text := []byte(`"` + tt.in + `"`)
		_, flags, err := String(text, 0)
		if err != nil {
			t.Fatal(err)
		}
		s := text[1 : len(text)-1]
		if got := Unquote(nil, s); string(got) != tt.value {
			t.Errorf("Unquote(%s) = %q", tt.in, got)
		}
		if (flags&Surrogate != 0) != (tt.in != tt.paired) {
			t.Errorf("%s: flags %v", tt.in, flags)
		}
		if Pair(s); string(s) != tt.paired {
			t.Errorf("Pair(%s) = %s", tt.in, s)
		}
	}
}

func TestIncomplete(t *testing.T) {
	t.Parallel()
	obj := `{"id":"s","items":{"object":"list","data":[{"id":"i1"},{"id":"i2"}],"has_more":true,"url":"/v1/subscription_items?subscription=s"},
		"x":[{"l":{"has_more":true,"url":"/v1/y","data":[],"object":"list"}}],"done":{"object":"list","data":[],"has_more":false,"url":"/v1/z"}}`
	lists, err := Incomplete([]byte(obj))
	if err != nil || len(lists) != 2 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	a, b := lists[0], lists[1]
	if string(a.LastID) != "i2" || string(a.URL) != "/v1/subscription_items?subscription=s" || obj[a.DataEnd] != ']' || obj[a.HasMore:a.HasMore+4] != "true" {
		t.Errorf("first list: %+v", a)
	}
	if !b.Empty || string(b.URL) != "/v1/y" || obj[b.DataEnd] != ']' || obj[b.HasMore:b.HasMore+4] != "true" {
		t.Errorf("second list: %+v", b)
	}
}

// FuzzSkip holds the walker against encoding/json: what that accepts must be
// delimited completely; nothing may crash it.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e-3,"x\u00e9",true,null]}`, `"\ud800"`, `-0`, `[[[[]]]]`, `{"data":[{"id":"a","created":1}],"has_more":true}`, `{"a":`, "\"\x00\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := SkipSpace(text, 0)
		end, err := Skip(text, start)
		valid := json.Valid(text) && utf8.Valid(text)
		if valid && (err != nil || SkipSpace(text, end) != len(text)) {
			t.Fatalf("valid JSON refused: end %d of %d, %v", end, len(text), err)
		}
		var l List
		if ParseList(text, &l) == nil && valid {
			var want struct {
				Data    []json.RawMessage
				HasMore bool `json:"has_more"`
			}
			if json.Unmarshal(text, &want) == nil && bytes.Count(text, []byte("ata")) == 1 && len(want.Data) != len(l.Items) {
				t.Fatalf("%d items, want %d", len(l.Items), len(want.Data))
			}
		}
		_, _ = Incomplete(text)
	})
}
