package expr

import (
	"slices"
	"strings"
	"sync"
)

// Categories of functions, in the order of Data Prep's guide.
const (
	catText     = "String"
	catRegex    = "Regular Expressions"
	catHash     = "Hashing"
	catURL      = "URL"
	catDate     = "Date / Time"
	catObject   = "Hierarchies - Objects"
	catArray    = "Hierarchies - Arrays"
	catMap      = "Hierarchies - Map"
	catLogic    = "Logical operators"
	catSum      = "Aggregation"
	catConvert  = "Type conversions"
	catJSON     = "JSON"
	catSpecial  = "Special operations"
	catAgent    = "User agent"
	catAnalytic = "Analytics"
)

// ordered has all functions, in the order of Data Prep's guide.
var ordered = sync.OnceValue(func() []*function {
	return slices.Concat(
		textFunctions(), regexFunctions(), hashFunctions(), urlFunctions(), dateFunctions(), objectFunctions(),
		arrayFunctions(), lambdaFunctions(), mapFunctions(), logicFunctions(), convertFunctions(), agentFunctions(),
		analyticsFunctions(),
	)
})

var functions = sync.OnceValue(func() map[string]*function {
	byName := map[string]*function{}
	for _, f := range ordered() {
		byName[f.name] = f
	}
	return byName
})

// alias returns f under a second name.
func alias(f *function, name string) *function {
	other := *f
	other.name = name
	other.example = strings.Replace(f.example, f.name+"(", name+"(", 1)
	return &other
}

// A Function describes a function of the language.
type Function struct {
	Name        string
	Category    string
	Description string
	Syntax      string // substr(s, start, length)
	Returns     string // what it yields, in words
	Result      Types
	Params      []Param
	Method      bool   // is written behind a value: a.equals(b)
	Example     string // "" if it needs a record or the time
	Yields      string // what Example yields
	Unavailable string // why calling it is an error; "" for all that work
}

// A Param is what a Function takes at one place.
type Param struct {
	Name        string
	Description string
	Types       Types
	Optional    bool
	Repeated    bool // may come again and again, together with the others that may
}

// Functions describes all functions, in the order of Data Prep's guide.
func Functions() []Function {
	var list []Function
	for _, f := range ordered() {
		d := Function{
			Name: f.name, Category: f.category, Description: f.about, Syntax: f.syntax(), Returns: f.returns,
			Result: f.result, Method: f.method, Example: f.example, Yields: f.gives, Unavailable: f.absent,
		}
		for i, p := range f.params {
			d.Params = append(d.Params, Param{
				Name: p.name, Description: p.about, Types: p.types, Optional: p.optional,
				Repeated: i >= len(f.params)-f.repeat,
			})
		}
		list = append(list, d)
	}
	return list
}

// syntax returns how f is written.
func (f *function) syntax() string {
	var b strings.Builder
	params := f.params
	if f.method {
		b.WriteString(params[0].name + ".")
		params = params[1:]
	}
	b.WriteString(f.name + "(")
	optional := 0
	for i, p := range params {
		if p.optional {
			b.WriteString("[")
			optional++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.name)
	}
	if f.repeat > 0 {
		b.WriteString(", …")
	}
	b.WriteString(strings.Repeat("]", optional) + ")")
	return b.String()
}
