package expr

// A node is a part of a parsed expression.
type node interface{ at() Pos }

func (p Pos) at() Pos { return p }

type (
	// literal is null, a boolean, a number that is not negative, or a text.
	literal struct {
		Pos
		v Value
	}
	arrayNode struct {
		Pos
		items []node
	}
	mapNode struct {
		Pos
		keys []string
		vals []node
	}
	// nameNode is the first step of a source path, or a lambda's parameter.
	nameNode struct {
		Pos
		name string
	}
	memberNode struct {
		Pos
		x    node
		name string
	}
	indexNode struct {
		Pos
		x, i node
	}
	// allNode is x[*]; the steps behind it apply to each element.
	allNode struct {
		Pos
		x node
	}
	callNode struct {
		Pos
		name string
		args []node
	}
	methodNode struct {
		Pos
		x    node
		name string
		args []node
	}
	unaryNode struct {
		Pos
		op string
		x  node
	}
	binaryNode struct {
		Pos
		op   *binaryOp
		x, y node
	}
	condNode struct {
		Pos
		c, x, y node
	}
	lambdaNode struct {
		Pos
		param string
		body  node
	}
)

// start returns where the text of n begins; an operator's own place is where
// it stands.
func start(n node) Pos {
	switch n := n.(type) {
	case *memberNode:
		return start(n.x)
	case *indexNode:
		return start(n.x)
	case *allNode:
		return start(n.x)
	case *methodNode:
		return start(n.x)
	case *binaryNode:
		return start(n.x)
	case *condNode:
		return start(n.c)
	default:
		return n.at()
	}
}

// size counts the nodes of n.
func size(n node) int {
	total := 1
	for _, x := range children(n) {
		total += size(x)
	}
	return total
}

func children(n node) []node {
	switch n := n.(type) {
	case *arrayNode:
		return n.items
	case *mapNode:
		return n.vals
	case *memberNode:
		return []node{n.x}
	case *indexNode:
		return []node{n.x, n.i}
	case *allNode:
		return []node{n.x}
	case *callNode:
		return n.args
	case *methodNode:
		return append([]node{n.x}, n.args...)
	case *unaryNode:
		return []node{n.x}
	case *binaryNode:
		return []node{n.x, n.y}
	case *condNode:
		return []node{n.c, n.x, n.y}
	case *lambdaNode:
		return []node{n.body}
	default:
		return nil
	}
}

// Precedences, from the loosest.
const (
	precChoice = iota
	precOr
	precAnd
	precBitOr
	precBitXor
	precBitAnd
	precEqual
	precOrder
	precAdd
	precMul
	precUnary
	precPostfix
)

// A binaryOp is one of the operators with two operands.
type binaryOp struct {
	symbol string
	word   string // its other spelling, if it has one
	prec   int
	method string // what the list of operators calls it
	about  string
	sample string
}

var binaryOps = []binaryOp{
	{"+", "", precAdd, "add", "adds numbers, joins texts", "1 + 2"},
	{"-", "", precAdd, "subtract", "subtracts", "3 - 2"},
	{"*", "", precMul, "multiply", "multiplies", "2 * 3"},
	{"/", "div", precMul, "divide", "divides exactly: 7 / 2 is 3.5", "7 / 2"},
	{"%", "mod", precMul, "mod", "rest of a division", "7 % 2"},
	{"==", "eq", precEqual, "equals", "is equal", "1 == 1"},
	{"!=", "ne", precEqual, "notEquals", "is not equal", "1 != 2"},
	{"<", "lt", precOrder, "lessThan", "is less", "1 < 2"},
	{"<=", "le", precOrder, "lessThanOrEqual", "is less or equal", "1 <= 2"},
	{">", "gt", precOrder, "greaterThan", "is greater", "2 > 1"},
	{">=", "ge", precOrder, "greaterThanOrEqual", "is greater or equal", "2 >= 1"},
	{"=~", "", precOrder, "matches", "is in an array, is a key of an object, or matches a regular expression", "2 =~ [1, 2]"},
	{"!~", "", precOrder, "notMatches", "the opposite of =~", "3 !~ [1, 2]"},
	{"=^", "", precOrder, "startsWith", "starts with", `"charge" =^ "ch"`},
	{"!^", "", precOrder, "notStartsWith", "doesn't start with", `"charge" !^ "re"`},
	{"=$", "", precOrder, "endsWith", "ends with", `"charge" =$ "ge"`},
	{"!$", "", precOrder, "notEndsWith", "doesn't end with", `"charge" !$ "ch"`},
	{"&&", "and", precAnd, "and", "both are true", "true && false"},
	{"||", "or", precOr, "or", "one of both is true", "true || false"},
	{"&", "", precBitAnd, "bitwiseAnd", "bits that both have", "6 & 3"},
	{"|", "", precBitOr, "bitwiseOr", "bits that one of both has", "6 | 3"},
	{"^", "", precBitXor, "bitwiseXor", "bits that only one of both has", "6 ^ 3"},
	{"?:", "", precChoice, "elvis", "the second when the first is null or false", `null ?: "none"`},
	{"??", "", precChoice, "nullCoalesce", "the second when the first is null", `null ?? "none"`},
}

// An Operator is one of the language's operators (Data Prep, "operators").
type Operator struct {
	Symbol      string
	Word        string // a second spelling, "" if there is none
	Method      string
	Operands    int
	Description string
	Example     string
}

// Operators lists all operators.
func Operators() []Operator {
	var list []Operator
	for _, o := range binaryOps {
		list = append(list, Operator{o.symbol, o.word, o.method, 2, o.about, o.sample})
	}
	return append(list,
		Operator{"-", "", "negate", 1, "the number with the other sign", "-1"},
		Operator{"!", "not", "not", 1, "true when it is false or null", "!true"},
		Operator{"~", "", "complement", 1, "all bits inverted", "~1"},
		Operator{"? :", "", "ternary", 3, "the second when the first is true, else the third", `1 < 2 ? "a" : "b"`},
	)
}
