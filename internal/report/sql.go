package report

import (
	"embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed sql/*.sql
var files embed.FS

// definition returns what the head of a file says of its numbers, without the
// marks of comments.
func definition(file string) string {
	head, _ := split(file)
	lines := strings.Split(head, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(l, "--"), " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// split cuts a file into its head of comments and the SQL below it.
func split(file string) (head, body string) {
	text, err := files.ReadFile("sql/" + file + ".sql")
	if err != nil {
		panic(err) // the table of sections names a file that is not there
	}
	rest := string(text)
	for strings.HasPrefix(rest, "--") {
		line, after, _ := strings.Cut(rest, "\n")
		head, rest = head+line+"\n", after
	}
	return head, rest
}

var placeholder = regexp.MustCompile(`\$[a-z_]+`)

// values are the SQL that stands for the placeholders of a file. Texts become
// literals by literal; nothing from outside gets in by another way.
type values map[string]string

// query returns the SQL of a file with its placeholders filled in.
func (v values) query(file string) (string, error) {
	head, body := split(file)
	_, charges := split("charges")
	var unknown string
	fill := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(name string) string {
			value, ok := v[name[1:]]
			if !ok {
				unknown = name
			}
			return value
		})
	}
	// First the fragment, so that it is filled, too. What a value says is not
	// looked at again.
	filled := fill(strings.ReplaceAll(body, "$charges", strings.TrimSpace(charges)))
	if unknown != "" {
		return "", fmt.Errorf("%s.sql: nothing stands for %s", file, unknown)
	}
	return head + strings.TrimSpace(filled) + "\n", nil
}

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func (p *Params) values() values {
	return values{
		"from": strconv.FormatInt(p.From.Unix(), 10), "to": strconv.FormatInt(p.To.Unix(), 10),
		"zone": literal(p.Zone), "period": literal(string(p.Period)),
		"currency": literal(p.Currency), "country": literal(p.Country), "customer": literal(p.Customer),
	}
}
