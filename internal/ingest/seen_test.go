package ingest

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestAgree(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, whole, part string
		want              bool
	}{
		{"the same", `{"object":"charge","a":1.50,"b":[1,{"c":"x"}]}`, `{"b":[1,{"c":"x"}],"object":"charge","a":1.50}`, true},
		{"another value", `{"object":"charge","a":1}`, `{"object":"charge","a":2}`, false},
		{"another kind of object", `{"object":"charge"}`, `{"object":"refund"}`, false},
		{"not expanded", `{"object":"price","tiers":[1],"a":1}`, `{"object":"price","a":1}`, true},
		{"a member of an older version", `{"object":"charge","a":1}`, `{"object":"charge","a":1,"old":true}`, true},
		{"a key of the metadata less", `{"object":"charge","metadata":{"a":"1","b":"2"}}`, `{"object":"charge","metadata":{"a":"1"}}`, false},
		{"a key of the metadata more", `{"object":"charge","metadata":{"a":"1"}}`, `{"object":"charge","metadata":{"a":"1","b":"2"}}`, false},
		{"another key", `{"object":"charge","metadata":{"a":"1"}}`, `{"object":"charge","metadata":{"b":"1"}}`, false},
		{"a list cut short", `{"object":"list","data":[1,2,3],"has_more":false}`, `{"object":"list","data":[1,2],"has_more":true}`, true},
		{"another list cut short", `{"object":"list","data":[1,2,3],"has_more":false}`, `{"object":"list","data":[1,3],"has_more":true}`, false},
		{"a shorter list", `{"object":"list","data":[1,2],"has_more":false}`, `{"object":"list","data":[1],"has_more":false}`, false},
		{"a longer list", `[1]`, `[1,2]`, false},
		{"an object for an id", `{"object":"charge","customer":"cus_1"}`, `{"object":"charge","customer":{"object":"customer"}}`, false},
		{"an id for an object", `{"object":"charge","customer":{"object":"customer"}}`, `{"object":"charge","customer":"cus_1"}`, false},
		{"null", `{"object":"charge","a":null}`, `{"object":"charge","a":0}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := agree(decode([]byte(tt.whole)), decode([]byte(tt.part))); got != tt.want {
				t.Errorf("%t", got)
			}
		})
	}
}

// However the events of one second are listed, they come in the order in which
// each changed what the one before had led to.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var at int64
		want := make([]snapshot, rapid.IntRange(1, 8).Draw(t, "events"))
		for i := range want {
			at += rapid.Int64Range(0, 1).Draw(t, "seconds")
			want[i].At = at
			want[i].After = strconv.Itoa(i + 1)
			if i > 0 || rapid.Bool().Draw(t, "it is known what the first changed") {
				want[i].Before = strconv.Itoa(i)
			}
		}
		if last := &want[len(want)-1]; rapid.Bool().Draw(t, "it ended") {
			last.Last, last.Before = true, ""
		}
		numbers := make([]int, len(want))
		for i := range numbers {
			numbers[i] = i
		}
		var got []snapshot
		for _, i := range rapid.Permutation(numbers).Draw(t, "listed") {
			got = append(got, want[i])
		}
		slices.SortStableFunc(got, func(a, b snapshot) int { return int(a.At - b.At) })
		order(got, "")
		for i := range want {
			if got[i].After != want[i].After {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}

// States that come back are told apart by what was stored before them.
func TestOrderOfCircle(t *testing.T) {
	t.Parallel()
	there, back := snapshot{Told: Told{Before: "a", After: "b"}}, snapshot{Told: Told{Before: "b", After: "a"}}
	for _, told := range [][]snapshot{{there, back}, {back, there}} {
		order(told, "a")
		if told[0].After != "b" || told[1].After != "a" {
			t.Errorf("%v", told)
		}
	}
}

func TestSane(t *testing.T) {
	t.Parallel()
	got, ok := sane([]byte(` {"a": 1.50, "b": "\ud800<", "a": 12345678901234567890} `))
	if want := "{\"a\":12345678901234567890,\"b\":\"\ufffd<\"}"; !ok || string(got) != want {
		t.Errorf("%s, %t, want %s", got, ok, want)
	}
	deep := slices.Concat(bytesOf('[', 101), bytesOf(']', 101))
	if got, ok := sane(deep); ok {
		t.Errorf("nested too deeply: %s", got)
	}
	if got, ok := sane(deep[1 : len(deep)-1]); !ok || string(got) != string(deep[1:len(deep)-1]) {
		t.Errorf("%s, %t", got, ok)
	}
}

func bytesOf(c byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = c
	}
	return b
}
