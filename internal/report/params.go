package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Period is what time is cut into.
type Period string

// The periods. Weeks begin on Monday.
const (
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
)

// Params say what a report is about. The zero value is about all there is, by
// month, in UTC.
type Params struct {
	From, To time.Time // From at or after, To before; zero: the oldest and just after the newest object of the copy
	Zone     string    // IANA's name of the zone in which days begin; "" is UTC
	Period   Period    // "" is Month
	Currency string    // code in small letters; "" for all, each by itself
	Country  string    // two capitals; "" for all
	Customer string    // new, returning or guest; "" for all
	Rates    *Rates    // to convert sums by; nil for none
	Section  string    // name of the only section wanted; "" for all

	kept bool // there is the table of attempts
}

var (
	currencyCode = regexp.MustCompile(`^[a-z]{3,10}$`)
	countryCode  = regexp.MustCompile(`^[A-Z]{2}$|^\?\?$`)
	zoneName     = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+\-/]{0,63}$`)
)

// ParseParams reads parameters as the command line and the API have them. Dates
// (2026-01-31) are midnights of the zone; other times are RFC 3339.
func ParseParams(from, to, zone, period, currency, country, customer string) (Params, error) {
	p := Params{
		Zone: zone, Period: Period(period), Currency: strings.ToLower(currency), Country: strings.ToUpper(country), Customer: customer,
	}
	if p.Zone == "" {
		p.Zone = "UTC"
	}
	if p.Period == "" {
		p.Period = Month
	}
	if err := p.check(); err != nil {
		return Params{}, err
	}
	at, err := time.LoadLocation(p.Zone)
	if err != nil || p.Zone == "Local" {
		return Params{}, &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("there is no time zone %q", zone), Advice: "Write it as IANA does: Europe/Berlin, America/New_York, UTC",
		}
	}
	if p.From, err = moment("from", from, at); err != nil {
		return Params{}, err
	}
	if p.To, err = moment("to", to, at); err != nil {
		return Params{}, err
	}
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		return Params{}, problem.Errorf(problem.Invalid, "from is not before to: there is no time between them")
	}
	return p, nil
}

func (p *Params) check() error {
	switch {
	case !slices.Contains([]Period{Day, Week, Month}, p.Period):
		return problem.Errorf(problem.Invalid, "the period %q is none of day, week and month", p.Period)
	case p.Currency != "" && !currencyCode.MatchString(p.Currency):
		return problem.Errorf(problem.Invalid, "%q is no code of a currency, such as eur", p.Currency)
	case p.Country != "" && !countryCode.MatchString(p.Country):
		return problem.Errorf(problem.Invalid, "%q is no code of a country of two letters, such as DE", p.Country)
	case !slices.Contains([]string{"", "new", "returning", "guest"}, p.Customer):
		return problem.Errorf(problem.Invalid, "%q is no kind of customer: new, returning or guest", p.Customer)
	case !zoneName.MatchString(p.Zone):
		return problem.Errorf(problem.Invalid, "%q is no name of a time zone", p.Zone)
	}
	return nil
}

// moment reads a date of the zone, or a time that says its own.
func moment(name, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, problem.Errorf(problem.Invalid, "%s: %q is neither a date, such as 2026-01-31, nor a time of RFC 3339", name, text)
	}
	if t.Nanosecond() != 0 {
		return time.Time{}, problem.Errorf(problem.Invalid, "%s: Stripe's times are whole seconds, and %q is none", name, text)
	}
	return t, nil
}
