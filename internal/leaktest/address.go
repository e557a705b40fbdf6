package leaktest

import (
	"encoding/json"
	"regexp"
	"strings"
)

var (
	address = regexp.MustCompile(`[A-Za-z0-9._%+-]{3,}@([A-Za-z0-9-]+\.)*[A-Za-z0-9-]{5,}\.[A-Za-z]{2,}`)
	escaped = regexp.MustCompile(`\\u00[0-7][0-9a-f]`)
)

// Addresses returns the e-mail addresses in a text, those that are written with
// escapes too: of three letters or more, in a domain of five or more. What is
// shorter, as a@b.de, stands in some megabytes of compressed data by chance. Only what
// stands around an @ is matched: the texts are long and have few.
func Addresses(text string) []string {
	if strings.Contains(text, `\u0040`) || strings.Contains(text, "@") && strings.Contains(text, `\u00`) {
		text += "\n" + escaped.ReplaceAllStringFunc(text, func(s string) string {
			var r string
			if json.Unmarshal([]byte(`"`+s+`"`), &r) != nil {
				return s
			}
			return r
		})
	}
	var found []string
	for at := range len(text) {
		if text[at] != '@' {
			continue
		}
		from, to := at, at+1
		for from > 0 && inAddress(text[from-1]) {
			from--
		}
		for to < len(text) && inAddress(text[to]) {
			to++
		}
		// In a page of the database the length of a digest may be the byte of an @,
		// with the version of the API behind the digest.
		if a := address.FindString(text[from:to]); a != "" && !strings.Contains(a, "2025-02-24.acacia") {
			found = append(found, a)
		}
	}
	return found
}

// inAddress says whether address matches c in some place other than the @.
func inAddress(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._%+-", c) >= 0
}
