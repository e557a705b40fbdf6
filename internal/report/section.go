package report

// Kind is what the values of a column are, and how they are printed.
type Kind string

// The kinds, with the Go type of a value; each may be nil where there is none.
const (
	Text   Kind = "text"   // string
	Count  Kind = "count"  // int64
	Money  Kind = "money"  // int64, minor units of the row's currency
	Mean   Kind = "mean"   // float64, minor units of the row's currency
	Share  Kind = "share"  // float64, 1 is all
	Number Kind = "number" // float64
)

// A Column of a section.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// A Section is a group of numbers that one query made.
type Section struct {
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	Definition string   `json:"definition"` // of its numbers: what is counted, which time
	Query      string   `json:"query"`      // SQL that `tributary query` runs as it is; "" for what was worked out from another section
	Columns    []Column `json:"columns"`
	Rows       []Row    `json:"rows"`
	// currency is the column whose currency the money of a row is in.
	currency string
	// total is how many rows there are where not all are here, else 0.
	total int
}

// A Row has a value for each column.
type Row []any

// index returns the place of a column, -1 for none.
func (s *Section) index(name string) int {
	for i, c := range s.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// value returns the value of a row in a column, nil where there is none.
func (s *Section) value(r Row, name string) any {
	if i := s.index(name); i >= 0 {
		return r[i]
	}
	return nil
}

func (s *Section) text(r Row, name string) string {
	text, _ := s.value(r, name).(string)
	return text
}

func (s *Section) integer(r Row, name string) int64 {
	n, _ := s.value(r, name).(int64)
	return n
}

func (s *Section) float(r Row, name string) (float64, bool) {
	f, ok := s.value(r, name).(float64)
	return f, ok
}

// A spec says how a section comes about.
type spec struct {
	name, title, file string
	currency          string // see Section.currency
	// dimension and until fill these placeholders of orders.sql.
	dimension, until, as string
	columns              []Column
	after                func(*Section) error // works on what the query returned
}

func texts(names ...string) []Column  { return columns(Text, names) }
func counts(names ...string) []Column { return columns(Count, names) }
func moneys(names ...string) []Column { return columns(Money, names) }
func means(names ...string) []Column  { return columns(Mean, names) }
func shares(names ...string) []Column { return columns(Share, names) }
func numbers(names ...string) []Column {
	return columns(Number, names)
}

func columns(kind Kind, names []string) []Column {
	out := make([]Column, len(names))
	for i, name := range names {
		out[i] = Column{name, kind}
	}
	return out
}

func concat(parts ...[]Column) []Column {
	var out []Column
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
