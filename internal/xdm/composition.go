package xdm

// A Composition describes whole records of any schema: all fields of its class
// and of its field groups, from the top level down.
type Composition struct {
	ID      string // $id of the schema
	Title   string
	Version string // of the schema when it was composed: 1.0, 1.1, …
	Fields  []*Field
}

// Limits narrow the values of a field; what is zero or nil does not.
type Limits struct {
	Min, Max             *float64 // of numbers; bounds that only say which integer it is are not here
	MinLength, MaxLength *int     // of strings, in characters
	Pattern              string   // regular expression that a string must match somewhere
	Values               []string // the only ones that a string may have: enum
}
