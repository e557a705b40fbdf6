package webui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/money"
)

const offerAPI = "/data/tributary/offers"

// offerRoutes adds the catalog of offers, the model, and carts to try.
func offerRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	m.get("/offers", view, (*request).showOffers)
	m.get("/offers/new", manage, (*request).showNewOffer)
	m.post("/offers/new", manage, (*request).makeOffer)
	m.get("/offers/try", view, (*request).showTry)
	m.post("/offers/try", view, (*request).tryCart)
	m.get("/offers/model", view, (*request).showModel)
	m.post("/offers/model", manage, (*request).makeModel)
	m.get("/offers/{id}", manage, (*request).showOffer)
	m.post("/offers/{id}", manage, (*request).changeOffer)
	m.post("/offers/{id}/on", manage, switchOffer(true))
	m.post("/offers/{id}/off", manage, switchOffer(false))
	m.post("/offers/{id}/delete", manage, (*request).deleteOffer)
}

// An offerItem is one thing that is offered.
type offerItem struct {
	Item     string `json:"item"`
	Name     string `json:"name,omitempty"`
	Price    string `json:"price,omitempty"`
	Amount   *int64 `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`

	Typed string `json:"-"` // the amount as it was typed
}

// Title is what an item is called.
func (i offerItem) Title() string {
	if i.Name != "" {
		return i.Name
	}
	return i.Item
}

// Minor is the amount of an item that has one.
func (i offerItem) Minor() int64 { return *i.Amount }

// An offerConditions says for whom an offer is.
type offerConditions struct {
	Currency  string   `json:"currency,omitempty"`
	Minimum   int64    `json:"minimumCart,omitempty"`
	Contains  []string `json:"contains,omitempty"`
	Excludes  []string `json:"excludes,omitempty"`
	Countries []string `json:"countries,omitempty"`
	Audience  string   `json:"audience,omitempty"`
	From      string   `json:"from,omitempty"`
	Until     string   `json:"until,omitempty"`

	Typed string `json:"-"` // the minimum as it was typed
}

// FromDay and UntilDay are days as a form has them.
func (c offerConditions) FromDay() string  { return strings.SplitN(c.From, "T", 2)[0] }
func (c offerConditions) UntilDay() string { return strings.SplitN(c.Until, "T", 2)[0] }

// ContainsLines and the others are lists as a form has them, one a line.
func (c offerConditions) ContainsLines() string  { return strings.Join(c.Contains, "\n") }
func (c offerConditions) ExcludesLines() string  { return strings.Join(c.Excludes, "\n") }
func (c offerConditions) CountriesLines() string { return strings.Join(c.Countries, ", ") }

// None says that an offer is for all, at any time.
func (c offerConditions) None() bool {
	return c.Currency+c.Audience+c.From+c.Until == "" && len(c.Contains)+len(c.Excludes)+len(c.Countries) == 0
}

// An offer is one of the catalog.
type offer struct {
	ID          string          `json:"id"`
	Key         string          `json:"key"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Active      bool            `json:"active"`
	Items       []offerItem     `json:"items"`
	Conditions  offerConditions `json:"conditions"`
	Version     int64           `json:"version"`
	UpdatedAt   string          `json:"updatedAt"`
}

var offerDeeds = map[string]string{
	"offer-made":    "The offer was added.",
	"offer-changed": "The offer was changed.",
	"offer-on":      "The offer is on.",
	"offer-off":     "The offer is off: nobody is shown it.",
	"offer-deleted": "The offer was deleted.",
	"offer-model":   "The model was made and is in use.",
}

var _ = words("The offer was added.", "The offer was changed.", "The offer is on.", "The offer is off: nobody is shown it.",
	"The offer was deleted.", "The model was made and is in use.")

type offersView struct {
	Items     []offer
	Done      string
	Audiences namedList `json:"-"`
}

func (r *request) showOffers() error {
	v := offersView{Done: r.deed(offerDeeds)}
	if err := r.get(offerAPI, nil, &v); err != nil {
		return err
	}
	var err error
	if v.Audiences, err = r.listNamed(audienceAPI); err != nil {
		return err
	}
	return r.show("offers", v)
}

// offerView is the form of an offer.
type offerView struct {
	Offer  offer
	New    bool
	Faults formFaults

	Audiences namedList
}

// spareRows is how many empty rows of items a form has beside those that are filled.
const spareRows = 2

// An offerRow is an item of the form.
type offerRow struct {
	offerItem
	ID     string
	Number int
}

// Rows are the items of the form, and empty ones to fill in.
func (v offerView) Rows() (rows []offerRow) {
	for i, it := range append(slices.Clone(v.Offer.Items), make([]offerItem, spareRows)...) {
		rows = append(rows, offerRow{it, "item-" + strconv.Itoa(i), i + 1})
	}
	return rows
}

// showOfferForm shows a form; again, where it has faults.
func (r *request) showOfferForm(v offerView) (err error) {
	if v.Audiences, err = r.listNamed(audienceAPI); err != nil {
		return err
	}
	if len(v.Faults) > 0 {
		return r.again("offer", "main", v)
	}
	return r.show("offer", v)
}

func (r *request) showNewOffer() error {
	return r.showOfferForm(offerView{New: true, Offer: offer{Active: true}})
}

func (r *request) offer() (o offer, err error) {
	if err = r.get(offerAPI+"/"+escape(r.http.PathValue("id")), nil, &o); err != nil {
		return o, err
	}
	for i := range o.Items {
		if it := &o.Items[i]; it.Amount != nil {
			it.Typed = majorUnits(*it.Amount, it.Currency)
		}
	}
	if o.Conditions.Minimum > 0 {
		o.Conditions.Typed = majorUnits(o.Conditions.Minimum, o.Conditions.Currency)
	}
	return o, nil
}

func (r *request) showOffer() error {
	o, err := r.offer()
	if err != nil {
		return err
	}
	return r.showOfferForm(offerView{Offer: o})
}

// readOffer reads the form over an offer.
func (r *request) readOffer(o *offer) (wrong formFaults) {
	o.Name, o.Description, o.Active = strings.Join(strings.Fields(r.form("name")), " "), r.form("description"), r.form("active") != ""
	if o.Name == "" {
		wrong.add("name", r.t("Give the offer a name."))
	}
	o.Items = nil
	f := r.http.PostForm
	for i := range f["item"] {
		at := func(name string) string {
			if i >= len(f[name]) {
				return ""
			}
			return strings.TrimSpace(f[name][i])
		}
		it := offerItem{Item: at("item"), Name: at("item-name"), Price: at("item-price"), Currency: strings.ToLower(at("item-currency")), Typed: at("item-amount")}
		if it == (offerItem{}) {
			continue
		}
		if it.Typed != "" && it.Currency == "" {
			wrong.add("item-"+strconv.Itoa(len(o.Items)), r.t("An amount needs a currency."))
		} else if it.Typed != "" {
			it.Amount = r.amount(it.Typed, it.Currency, "item-"+strconv.Itoa(len(o.Items)), &wrong)
		}
		o.Items = append(o.Items, it)
	}
	if len(o.Items) == 0 {
		wrong.add("item-0", r.t("An offer has at least one item."))
	}
	c := &o.Conditions
	c.Currency, c.Typed, c.Minimum, c.Audience = strings.ToLower(r.form("currency")), r.form("minimum"), 0, r.form("audience")
	c.Contains, c.Excludes = linesOf(r.form("contains")), linesOf(r.form("excludes"))
	c.Countries = strings.FieldsFunc(strings.ToUpper(r.form("countries")), func(x rune) bool { return strings.ContainsRune(" ,;\r\n\t", x) })
	if c.Typed != "" && c.Currency == "" {
		wrong.add("minimum", r.t("An amount needs a currency."))
	} else if c.Typed != "" {
		if v := r.amount(c.Typed, c.Currency, "minimum", &wrong); v != nil {
			c.Minimum = *v
		}
	}
	c.From, c.Until = onDay(r.form("from"), c.From), onDay(r.form("until"), c.Until)
	return wrong
}

// onDay is the time that a day of the form says: that of before where it is on
// that day, as the form shows days alone, else the day's beginning.
func onDay(day, before string) string {
	switch {
	case day == "":
		return ""
	case strings.HasPrefix(before, day+"T"):
		return before
	}
	return day + "T00:00:00Z"
}

// linesOf takes one a line, and no empty ones.
func linesOf(text string) (all []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// amount reads money as people type it.
func (r *request) amount(text, currency, field string, wrong *formFaults) *int64 {
	v, ok := minorUnits(text, currency)
	if !ok {
		wrong.add(field, r.t("%q is no amount of %s, such as %s.", text, strings.ToUpper(currency), majorUnits(1250, currency)))
		return nil
	}
	return &v
}

// minorUnits reads 12.50 as 1250 where the currency has two decimals; exactly, or
// not at all.
func minorUnits(text, currency string) (int64, bool) {
	decimals, _ := money.Exponent(currency)
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > decimals || whole == "" || strings.ContainsAny(text, "+-") {
		return 0, false
	}
	v, err := strconv.ParseInt(whole+part+strings.Repeat("0", decimals-len(part)), 10, 64)
	return v, err == nil
}

// majorUnits prints an amount as minorUnits reads it.
func majorUnits(amount int64, currency string) string {
	decimals, _ := money.Exponent(currency)
	text := strconv.FormatInt(amount, 10)
	if decimals == 0 {
		return text
	}
	for len(text) <= decimals {
		text = "0" + text
	}
	return text[:len(text)-decimals] + "." + text[len(text)-decimals:]
}

func (o *offer) body() map[string]any {
	return map[string]any{"name": o.Name, "description": o.Description, "active": o.Active, "items": o.Items, "conditions": o.Conditions}
}

func (r *request) makeOffer() error {
	o := offer{Key: r.form("key")}
	wrong := r.readOffer(&o)
	if o.Key == "" {
		wrong = append(formFaults{{"key", r.t("Give the offer a key.")}}, wrong...)
	}
	if len(wrong) == 0 {
		body := o.body()
		body["key"] = o.Key
		err := r.send(http.MethodPost, offerAPI, body, nil)
		if err == nil {
			return r.redirect("/offers?done=offer-made")
		}
		wrong = append(wrong, r.fault(err))
	}
	return r.showOfferForm(offerView{Offer: o, New: true, Faults: wrong})
}

func (r *request) changeOffer() error {
	o, err := r.offer()
	if err != nil {
		return err
	}
	wrong := r.readOffer(&o)
	o.Version, _ = strconv.ParseInt(r.form("version"), 10, 64)
	if len(wrong) == 0 {
		err := r.call(call{
			Method: http.MethodPatch, Path: offerAPI + "/" + escape(o.ID), Body: o.body(), Header: http.Header{"If-Match": {strconv.Quote(r.form("version"))}},
		}, nil)
		if err == nil {
			return r.redirect("/offers?done=offer-changed")
		}
		wrong = append(wrong, r.fault(err))
	}
	return r.showOfferForm(offerView{Offer: o, Faults: wrong})
}

// switchOffer turns an offer on or off.
func switchOffer(on bool) func(*request) error {
	return func(r *request) error {
		if err := r.send(http.MethodPatch, offerAPI+"/"+escape(r.http.PathValue("id")), map[string]any{"active": on}, nil); err != nil {
			return err
		}
		if on {
			return r.redirect("/offers?done=offer-on")
		}
		return r.redirect("/offers?done=offer-off")
	}
}

func (r *request) deleteOffer() error {
	err := r.send(http.MethodDelete, offerAPI+"/"+escape(r.http.PathValue("id")), nil, nil)
	if err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/offers?done=offer-deleted")
}
