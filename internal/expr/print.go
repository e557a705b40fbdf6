package expr

import "strings"

// canonical returns the text of n: operators as symbols with blanks around
// them, texts in double quotes, no parentheses that change nothing.
func canonical(n node) string {
	var p printer
	p.print(n, precChoice)
	return p.String()
}

type printer struct{ strings.Builder }

// print writes n, in parentheses if it binds looser than prec.
func (p *printer) print(n node, prec int) {
	if precOf(n) < prec {
		p.WriteByte('(')
		defer p.WriteByte(')')
	}
	switch n := n.(type) {
	case *literal:
		if n.v.kind == Text {
			p.text(n.v.s)
			return
		}
		p.Write(n.v.AppendJSON(nil))
	case *arrayNode:
		p.list("[", n.items, "]")
	case *mapNode:
		p.WriteByte('{')
		for i, k := range n.keys {
			if i > 0 {
				p.WriteString(", ")
			}
			p.text(k)
			p.WriteString(": ")
			p.print(n.vals[i], precChoice)
		}
		p.WriteByte('}')
	case *nameNode:
		p.WriteString(quoteName(n.name))
	case *memberNode:
		p.print(n.x, precPostfix)
		p.WriteString("." + quoteName(n.name))
	case *indexNode:
		p.print(n.x, precPostfix)
		p.list("[", []node{n.i}, "]")
	case *allNode:
		p.print(n.x, precPostfix)
		p.WriteString("[*]")
	case *callNode:
		p.WriteString(n.name)
		p.list("(", n.args, ")")
	case *methodNode:
		p.print(n.x, precPostfix)
		p.WriteString("." + n.name)
		p.list("(", n.args, ")")
	case *lambdaNode:
		p.WriteString(n.param + " -> ")
		p.print(n.body, precChoice)
	default:
		p.operation(n)
	}
}

func (p *printer) operation(n node) {
	switch n := n.(type) {
	case *unaryNode:
		p.WriteString(n.op)
		p.print(n.x, precUnary)
	case *binaryNode:
		left, right := n.op.prec, n.op.prec+1
		switch n.op.prec {
		case precChoice: // groups to the right
			left, right = precOr, precChoice
		case precEqual, precOrder: // not to be chained
			left = n.op.prec + 1
		}
		p.print(n.x, left)
		p.WriteString(" " + n.op.symbol + " ")
		p.print(n.y, right)
	case *condNode:
		p.print(n.c, precOr)
		p.WriteString(" ? ")
		p.print(n.x, precChoice)
		p.WriteString(" : ")
		p.print(n.y, precChoice)
	}
}

func precOf(n node) int {
	switch n := n.(type) {
	case *condNode:
		return precChoice
	case *binaryNode:
		return n.op.prec
	case *unaryNode:
		return precUnary
	default:
		return precPostfix
	}
}

func (p *printer) list(opening string, items []node, closing string) {
	p.WriteString(opening)
	for i, x := range items {
		if i > 0 {
			p.WriteString(", ")
		}
		p.print(x, precChoice)
	}
	p.WriteString(closing)
}

func (p *printer) text(s string) { p.Write(appendQuoted(nil, s)) }

// quoteName writes a step of a path so that it is read as one name.
func quoteName(name string) string {
	if plainName(name) {
		return name
	}
	return "${" + strings.NewReplacer(`\`, `\\`, `}`, `\}`).Replace(name) + "}"
}
