package app

import (
	"iter"
	"strings"
)

// A word is a piece of a text that may be an id, and where it begins.
type word struct {
	text string
	at   int
}

// words yields what may be ids in a text: what stands between blanks and marks, as ids
// that merchants choose have anything but these in them; and in that what has the form of
// Stripe's own, whatever is put before and behind it (receipt-ch_1.pdf, of_ch_1_2026).
// They come in the order of where they begin, the longer one first.
func words(text string) iter.Seq[word] {
	return func(yield func(word) bool) {
		for from := range fields(text, 0, divides) {
			if !yield(from) {
				return
			}
			for part := range stripeIDs(from) {
				if len(part.text) < len(from.text) && !yield(part) {
					return
				}
			}
		}
	}
}

// fields yields the longest pieces of a text of which no byte divides.
func fields(text string, at int, divides func(byte) bool) iter.Seq[word] {
	return func(yield func(word) bool) {
		from := 0
		for i := range len(text) + 1 {
			if i < len(text) && !divides(text[i]) {
				continue
			}
			if i > from && !yield(word{text[from:i], at + from}) {
				return
			}
			from = i + 1
		}
	}
}

func divides(c byte) bool { return c <= ' ' || strings.IndexByte("\"'`,;:()[]{}<>=\\/&?", c) >= 0 }

func noneOfAnID(c byte) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
}

// stripeIDs yields the pieces of a word that are letters, an underscore, and letters or
// digits.
func stripeIDs(w word) iter.Seq[word] {
	return func(yield func(word) bool) {
		if strings.IndexByte(w.text, '_') < 0 {
			return
		}
		var before word
		for part := range fields(w.text, w.at, noneOfAnID) {
			from := before.at - w.at
			joined := before.text != "" && part.at == before.at+len(before.text)+1 && w.text[part.at-w.at-1] == '_'
			if joined && !yield(word{w.text[from : part.at-w.at+len(part.text)], before.at}) {
				return
			}
			before = part
		}
	}
}
