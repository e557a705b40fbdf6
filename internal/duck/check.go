package duck

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// functions are the table functions that a query may call: none of them reads
// a file, runs other SQL or has an effect.
var functions = map[string]bool{
	"range": true, "generate_series": true, "unnest": true, "repeat": true, "repeat_row": true,
	"json_each": true, "json_tree": true, "histogram": true, "histogram_values": true,
	"duckdb_columns": true, "duckdb_functions": true, "duckdb_keywords": true, "duckdb_tables": true,
	"duckdb_types": true, "duckdb_views": true, "pragma_table_info": true, "pragma_version": true,
}

func invalid(detail, advice string) error {
	return &problem.Error{Kind: problem.Invalid, Detail: detail, Advice: advice}
}

var errNotQuery = invalid("only a query can be run here, nothing that changes data or settings",
	"Begin it with SELECT, WITH, FROM, VALUES, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN")

// errSyntax stands for an error of DuckDB's parser, which explains it better.
var errSyntax = errors.New("syntax error")

// checkTree accepts one query that uses nothing but tables and harmless
// functions. The tree is what DuckDB's json_serialize_sql made of the text; it
// makes trees of queries only.
func checkTree(tree []byte, g *guard) error {
	var t struct {
		Error      bool   `json:"error"`
		ErrorType  string `json:"error_type"`
		Message    string `json:"error_message"`
		Statements []any  `json:"statements"`
	}
	if err := json.Unmarshal(tree, &t); err != nil {
		return err
	}
	switch {
	case t.Error && t.ErrorType == "parser":
		return errSyntax
	case t.Error:
		return errNotQuery
	case len(t.Statements) == 0:
		return invalid("there is no query", "Write one, for example: SELECT count(*) FROM charges")
	case len(t.Statements) > 1:
		return invalid("there is more than one statement", "Run one query at a time")
	}
	return checkNode(t.Statements[0], g)
}

func checkNode(n any, g *guard) error {
	switch n := n.(type) {
	case []any:
		for _, e := range n {
			if err := checkNode(e, g); err != nil {
				return err
			}
		}
	case map[string]any:
		if err := checkSource(n, g); err != nil {
			return err
		}
		for _, e := range n {
			if err := checkNode(e, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSource looks at a node that may be something to select from.
func checkSource(n map[string]any, g *guard) error {
	switch n["type"] {
	case "TABLE_FUNCTION":
		call, _ := n["function"].(map[string]any)
		name, _ := call["function_name"].(string)
		if !g.table(name) {
			return invalid("the function "+name+" can't be used here: only the tables of the copy can be read", "SHOW TABLES lists them")
		}
	case "BASE_TABLE":
		// DuckDB takes an unknown name with a suffix like .parquet for a file.
		if name, _ := n["table_name"].(string); strings.ContainsAny(name, `/\`) || strings.Contains(name, ".") {
			return invalid("there is no table "+name+": only the tables of the copy can be read", "SHOW TABLES lists them")
		}
	}
	return g.check(n)
}

// explained returns the statement that an EXPLAIN explains, what is to stand before
// it, in our own words, and whether query is one. What runs is head and statement:
// of the rest of the text DuckDB may think otherwise than we do.
func explained(query string) (inner, head string, ok bool) {
	rest, ok := keyword(query, "explain")
	if !ok {
		return query, "", false
	}
	head = "EXPLAIN "
	if after, ok := keyword(rest, "analyze"); ok {
		rest, head = after, head+"ANALYZE "
	}
	rest = skipBlank(rest)
	// Options, like (FORMAT json), or a query in parentheses: which, its first word tells.
	if options := explainOptions.FindString(rest); options != "" {
		rest, head = rest[len(options):], head+options+" "
	}
	return rest, head, true
}

// explainOptions are words and nothing else: in a comment or a text, a bracket closes
// nothing.
var explainOptions = regexp.MustCompile(`^(?i)\(\s*(format|analyze)(\s+\w+)?(\s*,\s*(format|analyze)(\s+\w+)?)*\s*\)`)

// keyword cuts a word off the beginning of text, whatever blanks and comments
// stand before it.
func keyword(text, word string) (rest string, ok bool) {
	text = skipBlank(text)
	if len(text) < len(word) || !strings.EqualFold(text[:len(word)], word) {
		return "", false
	}
	rest = text[len(word):]
	if rest != "" && (rest[0] == '_' || rest[0] >= '0' && rest[0] <= '9' || rest[0] >= 'A' && rest[0] <= 'Z' || rest[0] >= 'a' && rest[0] <= 'z' || rest[0] >= 0x80) {
		return "", false
	}
	return rest, true
}

func skipBlank(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\f\v")
		switch {
		case strings.HasPrefix(text, "--"):
			end := strings.IndexAny(text, "\r\n")
			if end < 0 {
				return ""
			}
			text = text[end:]
		case strings.HasPrefix(text, "/*"):
			text = skipComment(text)
		default:
			return text
		}
	}
}

// skipComment cuts off a comment, which may hold others.
func skipComment(text string) string {
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
				return text[i+1:]
			}
		}
	}
	return ""
}
