package decision

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
)

// Bounds of a call.
const (
	maxBody = 64 << 10
	maxCart = 200 // things in a cart
	maxID   = 255 // bytes of an id in a cart
	maxSome = 100 // flags that are named
)

// An input is the evaluation context of a call, as far as decisions know it.
type input struct {
	targeting string   // targetingKey
	customer  string   // id at Stripe; "" where it isn't said
	cart      []string // ids of products or prices
	value     int64    // of the cart, minor units
	currency  string   // of the cart; "" where it isn't said
	country   string   // "" where it isn't said
}

// unit returns who or what is assigned, and the customer, "" where that isn't
// known. The unit of an experiment with customers is the context's customer, and
// the targeting key where there is none; else it is the targeting key.
func (in input) unit(u experiment.Unit) (unit, customer string) {
	if u.Metadata != "" {
		return in.targeting, in.customer
	}
	if in.customer != "" {
		return in.customer, in.customer
	}
	return in.targeting, in.targeting
}

// hidden returns an error of others in which nothing of the context stands.
func (in input) hidden(err error) error {
	text := err.Error()
	all := append([]string{in.targeting, in.customer}, in.cart...)
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
	for _, one := range all {
		if one == "" {
			break
		}
		text = strings.ReplaceAll(text, one, "…")
		if quoted := strings.Trim(strconv.Quote(one), `"`); quoted != "" {
			text = strings.ReplaceAll(text, quoted, "…")
		}
	}
	return errors.New(text)
}

// A fault is what is wrong with a call, as the protocol says it. It never has
// anything of the context in it.
type fault struct {
	status  int
	code    string // PARSE_ERROR, …; "" for a status that has none
	details string
}

func (f *fault) Error() string { return f.details }

func bad(code, details string) *fault { return &fault{http.StatusBadRequest, code, details} }

// readInput reads the body of a call. It returns a *fault for what the caller did
// wrong.
func readInput(w http.ResponseWriter, r *http.Request) (in input, err error) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return in, bad("PARSE_ERROR", "the body can't be read, or has more than 65536 bytes")
	}
	// Maps, for a struct's members have their names in any case: Country may be another
	// attribute than country.
	var body, context map[string]json.RawMessage
	if !utf8.Valid(text) || json.Unmarshal(text, &body) != nil {
		return in, bad("PARSE_ERROR", `the body is not a JSON object such as {"context": {"targetingKey": "cus_…"}}`)
	}
	if json.Unmarshal(body["context"], &context) != nil || context == nil {
		return in, bad("INVALID_CONTEXT", "context: an object is expected")
	}
	if text := context["targetingKey"]; absent(text) || string(text) == `""` {
		return in, bad("TARGETING_KEY_MISSING", "context.targetingKey: it is missing; it is the id of the customer or visitor")
	}
	if in.targeting, err = readID(context["targetingKey"], exposure.MaxUnit, "context.targetingKey"); err != nil {
		return in, err
	}
	if text := context["customer"]; !absent(text) {
		if in.customer, err = readID(text, exposure.MaxUnit, "context.customer"); err != nil {
			return in, err
		}
	}
	in.value, in.currency, in.country = readAmount(context["cartValue"]), strings.ToLower(readCode(context["currency"], 3)), strings.ToUpper(readCode(context["country"], 2))
	if absent(context["cart"]) {
		return in, nil
	}
	var cart []json.RawMessage
	if json.Unmarshal(context["cart"], &cart) != nil || len(cart) > maxCart {
		return in, bad("INVALID_CONTEXT", "context.cart: a list of at most 200 ids of products or prices is expected")
	}
	for _, one := range cart {
		id, err := readID(one, maxID, "context.cart")
		if err != nil {
			return in, err
		}
		in.cart = append(in.cart, id)
	}
	return in, nil
}

func absent(text json.RawMessage) bool { return len(text) == 0 || string(text) == "null" }

// maxValue is the largest value of a cart that is believed.
const maxValue = 1e12

// readAmount reads an amount of minor units, and readCode the code of a currency or
// country. A context may be made for other uses, too; so what is of another form is passed over, as
// all is that decisions don't know: no condition on it holds.
func readAmount(text json.RawMessage) int64 {
	var amount float64 // some languages have no others, and write 1999.0
	if json.Unmarshal(text, &amount) != nil || amount < 0 || amount > maxValue || amount != math.Trunc(amount) {
		return 0
	}
	return int64(amount)
}

func readCode(text json.RawMessage, letters int) (code string) {
	if json.Unmarshal(text, &code) != nil || len(code) != letters {
		return ""
	}
	return code
}

func readID(text json.RawMessage, most int, where string) (id string, err error) {
	if json.Unmarshal(text, &id) != nil || len(id) > most || strings.ContainsRune(id, 0) {
		return "", bad("INVALID_CONTEXT", where+": a text is expected, of bounded length and without NUL")
	}
	return id, nil
}
