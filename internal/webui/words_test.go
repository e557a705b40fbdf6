package webui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
)

// What pages say must be there in each language, with the same verbs; and what
// nobody says any more must not.
func TestWords(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, item := range navigation {
		said[item.Title] = true
	}
	wordsInTemplates(t, said)
	wordsInCode(t, said)
	if len(said) < 20 {
		t.Fatalf("only %d texts were found", len(said))
	}
	verbs := regexp.MustCompile(`%(\[\d+\])?[-+.0-9]*[a-z]`)
	for _, lang := range Languages[1:] {
		words, err := wordsOf(lang)
		if err != nil {
			t.Fatal(err)
		}
		for text := range said {
			to, ok := words[text]
			if !ok {
				t.Errorf("%s has no translation of %q", lang, text)
				continue
			}
			from, into := verbs.FindAllString(text, -1), verbs.FindAllString(to, -1)
			for i := range into { // %[1]d names its place
				into[i] = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(into[i], "")
			}
			slices.Sort(from)
			slices.Sort(into)
			if !slices.Equal(from, into) {
				t.Errorf("%s: %q has other verbs than %q", lang, to, text)
			}
		}
		for text := range words {
			if !said[text] {
				t.Errorf("%s translates %q, which no page says", lang, text)
			}
		}
	}
}

func wordsInTemplates(t *testing.T, said map[string]bool) {
	t.Helper()
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	partials, err := fs.Glob(templates, "templates/partial/*.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, partials...) {
		b, err := templates.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree := parse.New(file)
		tree.Mode = parse.SkipFuncCheck
		trees := map[string]*parse.Tree{}
		if _, err := tree.Parse(string(b), "", "", trees); err != nil {
			t.Fatal(err)
		}
		for _, one := range trees {
			wordsIn(one.Root, said)
		}
	}
}

// wordsIn finds the texts that t and tn are called with.
func wordsIn(n parse.Node, said map[string]bool) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, c := range n.Nodes {
				wordsIn(c, said)
			}
		}
	case *parse.ActionNode:
		wordsIn(n.Pipe, said)
	case *parse.TemplateNode:
		wordsIn(n.Pipe, said)
	case *parse.IfNode:
		branch(&n.BranchNode, said)
	case *parse.RangeNode:
		branch(&n.BranchNode, said)
	case *parse.WithNode:
		branch(&n.BranchNode, said)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				wordsIn(c, said)
			}
		}
	case *parse.CommandNode:
		if id, ok := n.Args[0].(*parse.IdentifierNode); ok && (id.Ident == "t" || id.Ident == "tn") {
			texts := n.Args[1:2]
			if id.Ident == "tn" {
				texts = n.Args[2:4]
			}
			for _, a := range texts {
				if s, ok := a.(*parse.StringNode); ok {
					said[s.Text] = true
				}
			}
		}
		for _, a := range n.Args {
			wordsIn(a, said)
		}
	}
}

func branch(n *parse.BranchNode, said map[string]bool) {
	wordsIn(n.Pipe, said)
	wordsIn(n.List, said)
	wordsIn(n.ElseList, said)
}

// wordsInCode finds the texts that .t, say and words are called with. What is
// only known when the program runs stands in a call of words somewhere.
func wordsInCode(t *testing.T, said map[string]bool) {
	t.Helper()
	files, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // one folder, no build tags
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range files {
		ast.Inspect(p, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			texts := call.Args[:min(1, len(call.Args))]
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				switch f.Sel.Name {
				case "t":
				case "tn":
					texts = call.Args[1:]
				default:
					return true
				}
			case *ast.Ident:
				switch f.Name {
				case "say":
				case "words":
					texts = call.Args
				default:
					return true
				}
			default:
				return true
			}
			for _, a := range texts {
				if lit, ok := a.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					said[text] = true
				}
			}
			return true
		})
	}
}
