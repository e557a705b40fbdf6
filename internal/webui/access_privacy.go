package webui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

const privacyAPI = "/data/tributary/privacy/requests"

// Privacy requests: whose data was removed, from where, and what is under way.
func privacyRoutes(m *routes) {
	manage := access.AnyOf(access.ManageDatasets)
	m.get("/access/privacy", manage, (*request).showPrivacy)
	m.post("/access/privacy", manage, (*request).askPrivacy)
	m.get("/access/privacy/{id}", manage, (*request).showPrivacyRequest)
}

// A privacyRequest is one, as the API shows it.
type privacyRequest struct {
	ID        string        `json:"id"`
	Customer  string        `json:"customer"` // masked
	Mode      string        `json:"mode"`     // keepBooks, everything
	Copy      string        `json:"copy"`     // empty for all
	State     string        `json:"state"`    // queued, running, complete, failed
	AskedAt   int64         `json:"askedAt"`
	AskedBy   string        `json:"askedBy"`
	StartedAt int64         `json:"startedAt"`
	EndedAt   int64         `json:"endedAt"`
	Waits     string        `json:"waits"`
	Error     string        `json:"error"`
	Steps     []privacyStep `json:"steps"`
	Left      []string      `json:"left"`
}

// A privacyStep is a store that was done.
type privacyStep struct {
	Store   string `json:"store"`
	Removed []struct {
		From  string `json:"from"`
		Count int64  `json:"count"`
	} `json:"removed"`
}

// stores are the names of stores in words.
var stores = map[string]string{
	"copy of this installation": "Copy of this installation", "copies": "Copies of accounts", "uploads": "Uploads and diagnostics", "datasets": "Datasets",
	"exposures": "Exposures of experiments", "audiences": "Audiences", "offers": "Models of offers", "documents": "Names, messages and samples", "audit log": "Audit log",
}

var _ = words("Copy of this installation", "Copies of accounts", "Uploads and diagnostics", "Datasets", "Exposures of experiments", "Audiences", "Models of offers",
	"Names, messages and samples", "Audit log")

// Title is the store in words.
func (s privacyStep) Title() string { return stores[s.Store] }

// Total is how much was removed.
func (s privacyStep) Total() (n int64) {
	for _, r := range s.Removed {
		n += r.Count
	}
	return n
}

// Places are those from which something was removed, where a store has several.
func (s privacyStep) Places() []privacyPlace {
	var all []privacyPlace
	for _, r := range s.Removed {
		if r.Count > 0 && r.From != "all" {
			all = append(all, privacyPlace{r.From, r.Count})
		}
	}
	return all
}

// A privacyPlace is where something was removed: the table of a copy, or a dataset.
type privacyPlace struct {
	From  string
	Count int64
}

// Dataset is the id of the dataset that it is, if it is one.
func (p privacyPlace) Dataset() string {
	id, ok := strings.CutPrefix(p.From, "dataset ")
	if !ok {
		return ""
	}
	return id
}

// LeftTitles are the stores that are to come, in words.
func (p privacyRequest) LeftTitles() (all []string) {
	for _, s := range p.Left {
		all = append(all, stores[s])
	}
	return all
}

// All is how many stores there are.
func (p privacyRequest) All() int { return len(p.Steps) + len(p.Left) }

// Total is how much was removed, of everything.
func (p privacyRequest) Total() (n int64) {
	for _, s := range p.Steps {
		n += s.Total()
	}
	return n
}

// Goes says that it is not over.
func (p privacyRequest) Goes() bool { return p.State == "queued" || p.State == "running" }

// Word is its state in words.
func (p privacyRequest) Word() string { return stateWords[p.State].word }

// Tone is the class of its state's badge.
func (p privacyRequest) Tone() string { return stateWords[p.State].tone }

// privacyView is what the list of requests and its form show.
type privacyView struct {
	Items  []privacyRequest `json:"items"`
	Next   string           `json:"next"`
	First  bool             `json:"-"` // the first page
	Copies []string         `json:"-"`
	Faults formFaults       `json:"-"`

	Customer, Mode, Copy string `json:"-"` // as they were typed
}

// Goes says that something is under way.
func (v *privacyView) Goes() bool {
	for _, p := range v.Items {
		if p.Goes() {
			return true
		}
	}
	return false
}

func (r *request) privacyView() (*privacyView, error) {
	v := &privacyView{First: r.query("start") == "", Mode: "keepBooks"}
	if err := r.get(privacyAPI, only("start", r.query("start")), v); err != nil {
		return nil, err
	}
	if !r.may(access.ViewSources, access.ManageSources) {
		return v, nil
	}
	var got struct {
		Items []copyItem `json:"items"`
	}
	if err := r.get(copiesAPI, url.Values{"limit": {"100"}}, &got); err != nil {
		return nil, err
	}
	for _, c := range got.Items {
		v.Copies = append(v.Copies, c.Copy)
	}
	return v, nil
}

func (r *request) showPrivacy() error {
	v, err := r.privacyView()
	if err != nil {
		return err
	}
	if r.partial() {
		return r.part("access_privacy", "list", v)
	}
	return r.show("access_privacy", v)
}

// askPrivacy files a request, once whoever does says that he knows what it means.
func (r *request) askPrivacy() error {
	customer, mode, of := r.form("customer"), r.form("mode"), r.form("copy")
	var wrong formFaults
	if customer == "" || strings.ContainsAny(customer, " \t\r\n") {
		wrong.add("customer", r.t("Name one customer by its id at Stripe, as cus_…"))
	}
	if r.form("sure") == "" {
		wrong.add("sure", r.t("Say that you know that this can't be undone."))
	}
	if len(wrong) == 0 {
		var got privacyRequest
		err := r.send(http.MethodPost, privacyAPI, map[string]any{"customer": customer, "mode": mode, "copy": of}, &got)
		if err == nil {
			return r.redirect("/access/privacy/" + escape(got.ID))
		}
		if !missing(err, http.StatusBadRequest) && !missing(err, http.StatusNotFound) {
			return err
		}
		wrong.add("customer", r.refusal(err).Text)
	}
	v, err := r.privacyView()
	if err != nil {
		return err
	}
	v.Faults, v.Customer, v.Mode, v.Copy = wrong, customer, mode, of
	return r.again("access_privacy", "main", v)
}

// showPrivacyRequest is asked for again and again while a request is under way.
func (r *request) showPrivacyRequest() error {
	var v privacyRequest
	if err := r.get(privacyAPI+"/"+escape(r.http.PathValue("id")), nil, &v); err != nil {
		return err
	}
	if !r.partial() {
		return r.show("privacy_request", v)
	}
	switch v.State {
	case "complete":
		r.toast("positive", r.t("The customer's data was removed."))
	case "failed":
		r.toast("negative", r.t("The privacy request has failed."))
	}
	return r.part("privacy_request", "request", v)
}
