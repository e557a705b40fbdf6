package dataprep

import (
	"context"
	"encoding/json"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/gateway"
)

// CheckExpression says what is wrong with an expression, and, if there is a
// sample, whether it has a value for it; nil if nothing is wrong. An error has
// line and column.
func (s *Service) CheckExpression(text string, sample *expr.Value) error {
	e, err := expr.Compile(text)
	if err != nil || sample == nil {
		return err
	}
	_, err = e.Eval(&expr.Env{Record: *sample, Now: s.Now(), Random: s.random()})
	return err
}

// An expressionBody is how clients ask about an expression.
type expressionBody struct {
	Expression json.RawMessage `json:"expression"`
	SampleData json.RawMessage `json:"sampleData"`
}

// text returns the expression, which may stand one level deeper.
func (b *expressionBody) text() (string, error) {
	text := b.Expression
	for range 2 {
		var s string
		if json.Unmarshal(text, &s) == nil && len(text) > 0 && text[0] == '"' {
			return s, nil
		}
		var deeper struct {
			Expression json.RawMessage `json:"expression"`
		}
		if json.Unmarshal(text, &deeper) != nil {
			break
		}
		text = deeper.Expression
	}
	return "", invalid("expression is missing: the text of an expression is expected there")
}

// sample returns the sample record, which may be written as JSON or as a text
// that holds it.
func (b *expressionBody) sample() (*expr.Value, error) {
	text := []byte(b.SampleData)
	var s string
	if len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &s) == nil {
		text = []byte(s)
	}
	if len(text) == 0 || string(text) == "null" {
		return nil, nil //nolint:nilnil // there is none
	}
	v, err := expr.ParseJSON(text)
	if err != nil {
		return nil, invalid("sampleData: %v", err)
	}
	return &v, nil
}

type functionDocument struct {
	Category    string              `json:"category"`
	Function    string              `json:"function"`
	Description string              `json:"description"`
	Syntax      string              `json:"syntax"`
	Returns     string              `json:"returns"`
	ReturnType  string              `json:"returnType"`
	Example     string              `json:"example"`
	Result      string              `json:"result"`
	Params      []parameterDocument `json:"params"`
	Since       int                 `json:"since"`
	Unavailable string              `json:"unavailable,omitempty"` // why calling it is an error
}

type parameterDocument struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Type        string `json:"type"`
	DataType    string `json:"dataType"`
	Optional    bool   `json:"optional,omitempty"`
	Position    int    `json:"position"`
}

// javaTypes are the types by the names that clients of the original know.
var javaTypes = map[expr.Kind]struct{ plain, java string }{
	expr.Null: {"object", "java.lang.Object"}, expr.Bool: {"boolean", "java.lang.Boolean"}, expr.Int: {"integer", "java.lang.Long"},
	expr.Decimal: {"number", "java.math.BigDecimal"}, expr.Text: {"string", "java.lang.String"}, expr.Time: {"date", "java.time.ZonedDateTime"},
	expr.Array: {"array", "java.util.List"}, expr.Map: {"object", "java.util.Map"},
}

// typeNames returns what a set of kinds is called; several are an Object.
func typeNames(types expr.Types) (plain, java string) {
	one, count := expr.Null, 0
	for k := expr.Null + 1; k <= expr.Map; k++ {
		if types.Has(k) {
			one = k
			count++
		}
	}
	if count == 2 && types.Has(expr.Int) && types.Has(expr.Decimal) {
		one, count = expr.Decimal, 1
	}
	if count != 1 {
		one = expr.Null
	}
	return javaTypes[one].plain, javaTypes[one].java
}

func functionDocuments() []functionDocument {
	list := []functionDocument{}
	for _, f := range expr.Functions() {
		d := functionDocument{
			Category: f.Category, Function: f.Name, Description: f.Description, Syntax: f.Syntax, Returns: f.Returns,
			Example: f.Example, Result: f.Yields, Params: []parameterDocument{}, Since: 1, Unavailable: f.Unavailable,
		}
		_, d.ReturnType = typeNames(f.Result)
		for i, p := range f.Params {
			q := parameterDocument{Name: p.Name, Description: p.Description, Optional: p.Optional, Position: i + 1}
			q.Type, q.DataType = typeNames(p.Types)
			if p.Repeated {
				q.DataType = "[L" + q.DataType + ";"
			}
			d.Params = append(d.Params, q)
		}
		list = append(list, d)
	}
	return list
}

type operatorDocument struct {
	Symbol      string `json:"operatorSymbol"`
	Word        string `json:"alternative,omitempty"`
	Method      string `json:"methodName"`
	Operands    int    `json:"numberOfOperands"`
	Description string `json:"description"`
	Example     string `json:"example"`
}

func operatorDocuments() []operatorDocument {
	list := []operatorDocument{}
	for _, o := range expr.Operators() {
		list = append(list, operatorDocument(o))
	}
	return list
}

func (s *Service) checkExpression(_ context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var b expressionBody
	if err := call.JSON(&b); err != nil {
		return nil, err
	}
	text, err := b.text()
	if err != nil {
		return nil, err
	}
	sample, err := b.sample()
	if err != nil {
		return nil, err
	}
	answer := map[string]string{"validationStatus": "succeeded", "error": "none"}
	if err := s.CheckExpression(text, sample); err != nil {
		answer = map[string]string{"validationStatus": "failed", "error": err.Error()}
	}
	return gateway.OK(answer), nil
}
