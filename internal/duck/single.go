package duck

import "strings"

// single says whether query has no semicolon but at its end. Where the text
// is not clear (a backslash in a string is an escape in E'' and nothing
// elsewhere) it says no.
func single(query string) bool {
	for i := 0; i < len(query); {
		rest := query[i:]
		switch {
		case rest[0] == ';':
			return blank(rest[1:])
		case rest[0] == '\'' || rest[0] == '"':
			end := strings.IndexByte(rest[1:], rest[0])
			if end < 0 {
				return true // not a statement at all; DuckDB says why
			}
			if strings.Contains(rest[1:1+end], `\`) && strings.Contains(rest[1+end:], ";") {
				return false
			}
			i += end + 2
		case strings.HasPrefix(rest, "--"):
			i += line(rest)
		case strings.HasPrefix(rest, "/*"):
			i += comment(rest)
		case rest[0] == '$':
			i += dollar(rest)
		default:
			i++
		}
	}
	return true
}

// blank says whether text has nothing but white space, comments and
// semicolons.
func blank(text string) bool {
	for len(text) > 0 {
		switch {
		case strings.ContainsRune(" \t\r\n;", rune(text[0])):
			text = text[1:]
		case strings.HasPrefix(text, "--"):
			text = text[line(text):]
		case strings.HasPrefix(text, "/*"):
			text = text[comment(text):]
		default:
			return false
		}
	}
	return true
}

func line(text string) int {
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		return n + 1
	}
	return len(text)
}

// comment returns the length of the comment, which may hold others, that text
// begins with.
func comment(text string) int {
	depth := 0
	for i := 0; i+1 < len(text); i++ {
		switch text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
}

// dollar returns the length of the dollar-quoted string, or of the dollar sign,
// that text begins with.
func dollar(text string) int {
	end := strings.IndexByte(text[1:], '$')
	if end < 0 || strings.ContainsAny(text[1:1+end], " \t\r\n;'\"()") {
		return 1
	}
	tag := text[:end+2]
	if n := strings.Index(text[len(tag):], tag); n >= 0 {
		return len(tag) + n + len(tag)
	}
	return 1
}
