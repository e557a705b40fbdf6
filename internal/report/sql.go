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

// attemptsTable is what holds the attempts while a report is made, where its
// source can keep a table.
const attemptsTable = "report_attempts"

// Class returns an expression for the class of a method of payment (class.sql),
// for others who tell methods apart as the report does. It reads the columns type
// and category.
func Class() string {
	_, body := split("class")
	return strings.ReplaceAll(strings.TrimSpace(body), "\n", "\n\t\t") // as deep as a select's columns are
}

// shared are the beginning of charges.sql, which is the same for all sections of
// a report, and its end.
func shared() (attempts, chosen string) {
	_, charges := split("charges")
	charges = strings.ReplaceAll(charges, "$class", Class())
	attempts, chosen, ok := strings.Cut(charges, "), chosen as (")
	if !ok {
		panic("charges.sql has no chosen")
	}
	return attempts + ")", "chosen as (" + chosen
}

// attempts returns a query for the attempts.
func (v values) attempts() (string, error) {
	attempts, _ := shared()
	return v.fill("with " + attempts + " select * from attempts")
}

// Attempts returns what stands before a query over attempts, for others who
// count charges as the report does: "with stored as (…), …, attempts as (…)", to go
// on with a comma or a query. Its columns are those that charges.sql defines,
// customer, created (seconds), currency, status, disputed, paid (minor units),
// country, method and class among them; days begin in UTC.
func Attempts() (string, error) {
	attempts, _ := shared()
	text, err := values{"zone": literal("UTC"), "period": literal(string(Day))}.fill(attempts)
	return "with " + text, err
}

// query returns the SQL of a file with its placeholders filled in.
func (v values) query(file string) (string, error) {
	attempts, chosen := shared()
	return v.with(file, attempts+", "+chosen)
}

// quick returns the same where there is the table of attempts.
func (v values) quick(file string) (string, error) {
	_, chosen := shared()
	return v.with(file, "attempts as (\n\tselect * from "+attemptsTable+"\n), "+chosen)
}

// with returns the SQL of a file over charges.
func (v values) with(file, charges string) (string, error) {
	head, body := split(file)
	// First the fragments, so that they are filled, too.
	_, named := split("named")
	filled, err := v.fill(strings.NewReplacer("$charges", strings.TrimSpace(charges), "$named", strings.TrimSpace(named)).Replace(body))
	if err != nil {
		return "", fmt.Errorf("%s.sql: %w", file, err)
	}
	return head + strings.TrimSpace(filled) + "\n", nil
}

// fill puts values in the place of their names. What a value says is not looked
// at again.
func (v values) fill(text string) (string, error) {
	unknown := ""
	filled := placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := v[name[1:]]
		if !ok {
			unknown = name
		}
		return value
	})
	if unknown != "" {
		return "", fmt.Errorf("nothing stands for %s", unknown)
	}
	return filled, nil
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
