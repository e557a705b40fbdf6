package webui

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
)

const audienceAPI = "/data/tributary/audiences"

// Audiences: who is in them, by what, and since when.
func audienceRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ManageDatasets)
	m.get("/audiences", view, (*request).showAudiences)
	m.get("/audiences/new", manage, (*request).showNewAudience)
	m.post("/audiences/new", manage, (*request).sendAudience)
	m.get("/audiences/{id}", view, (*request).showAudience)
	m.get("/audiences/{id}/edit", manage, (*request).showEditAudience)
	m.post("/audiences/{id}/edit", manage, (*request).sendAudience)
	m.post("/audiences/{id}/materialise", manage, (*request).materialiseAudience)
	m.post("/audiences/{id}/delete", manage, (*request).deleteAudience)
	m.get("/audiences/{id}/members", view, (*request).showMembers)
	m.get("/audiences/{id}/export", view, (*request).exportAudience)
}

// An audience as the API has it.
type audience struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Version     int       `json:"version"`
	Copy        string    `json:"copy"`
	Predicate   predicate `json:"predicate"`
	CreatedAt   string    `json:"createdAt"`
	CreatedBy   string    `json:"createdBy"`
	UpdatedAt   string    `json:"updatedAt"`
	State       struct {
		audienceMade

		Error        string         `json:"error"`
		Failed       string         `json:"failedAt"`
		Dataset      string         `json:"dataset"`
		DatasetError string         `json:"datasetError"`
		History      []audienceMade `json:"history"`
	} `json:"state"`
}

// What one calculation of members came to.
type audienceMade struct {
	Version   int    `json:"version"`
	At        string `json:"at"`
	Count     int64  `json:"count"`
	Customers int64  `json:"customers"`
	Joined    int64  `json:"joined"`
	Left      int64  `json:"left"`
}

// Share of the customers that the copy has.
func (m audienceMade) Share() float64 {
	if m.Customers == 0 {
		return 0
	}
	return float64(m.Count) / float64(m.Customers)
}

// Waits says that the members are of an older version, or that there are none yet.
func (a audience) Waits() bool { return a.State.At == "" || a.State.Version != a.Version }

var audienceDeeds = map[string]string{
	"audience-made":         "The audience was added. Its members are being worked out.",
	"audience-changed":      "The audience was changed.",
	"audience-materialised": "The members were worked out.",
	"audience-deleted":      "The audience was deleted.",
}

var _ = words("The audience was added. Its members are being worked out.", "The audience was changed.", "The members were worked out.", "The audience was deleted.")

func (r *request) showAudiences() error {
	v := struct {
		Items []audience `json:"items"`
		Done  string     `json:"-"`
	}{Done: r.deed(audienceDeeds)}
	if err := r.get(audienceAPI, nil, &v); err != nil {
		return err
	}
	return r.show("audiences", v)
}

func (r *request) audiencePath() string { return audienceAPI + "/" + escape(r.http.PathValue("id")) }

// audienceView is what the page of one audience shows.
type audienceView struct {
	audience

	Says     said
	Versions []struct {
		Version   int       `json:"version"`
		Predicate predicate `json:"predicate"`
		CreatedAt string    `json:"createdAt"`
		CreatedBy string    `json:"createdBy"`
		Says      said      `json:"-"`
	}
	Done  string
	Fault string // why what was asked for did not happen
}

func (r *request) showAudience() error {
	v, err := r.audienceView()
	if err != nil {
		return err
	}
	return r.show("audience", v)
}

func (r *request) audienceView() (*audienceView, error) {
	v := &audienceView{Done: r.deed(audienceDeeds)}
	if err := r.get(r.audiencePath(), nil, &v.audience); err != nil {
		return nil, err
	}
	var got struct {
		Items any `json:"items"`
	}
	got.Items = &v.Versions
	if err := r.get(r.audiencePath()+"/versions", nil, &got); err != nil {
		return nil, err
	}
	v.Says = r.says(v.Predicate)
	for i := range v.Versions {
		v.Versions[i].Says = r.says(v.Versions[i].Predicate)
	}
	return v, nil
}

// materialiseAudience has the members worked out, and waits for it.
func (r *request) materialiseAudience() error {
	err := r.send(http.MethodPost, r.audiencePath()+"/materialise", nil, nil)
	if err == nil {
		return r.redirect("/audiences/" + escape(r.http.PathValue("id")) + "?done=audience-materialised")
	}
	return r.audienceFault(err)
}

func (r *request) deleteAudience() error {
	err := r.send(http.MethodDelete, r.audiencePath(), nil, nil)
	if err == nil || missing(err, http.StatusNotFound) {
		return r.redirect("/audiences?done=audience-deleted")
	}
	return r.audienceFault(err)
}

// audienceFault shows the page of the audience with what was refused.
func (r *request) audienceFault(err error) error {
	if missing(err, http.StatusForbidden) || missing(err, http.StatusNotFound) {
		return err
	}
	v, other := r.audienceView()
	if other != nil {
		return cmp.Or(other, err)
	}
	v.Fault = r.refusal(err).Text
	return r.again("audience", "main", v)
}

// membersView is a page of members.
type membersView struct {
	Audience   audience `json:"-"`
	Generation string   `json:"generation"`
	Total      int      `json:"total"`
	From       int      `json:"from"`
	Next       int      `json:"next"`
	Items      []struct {
		Customer string `json:"customer"`
		JoinedAt string `json:"joinedAt"`
	} `json:"items"`
	Anew bool `json:"-"` // they were worked out anew since the page before
}

// Last is the number of the last member on the page.
func (v membersView) Last() int { return v.From + len(v.Items) }

// Before is where the page before begins.
func (v membersView) Before() int { return max(0, v.From-membersPage) }

const membersPage = 100

func (r *request) showMembers() error {
	var v membersView
	if err := r.get(r.audiencePath(), nil, &v.Audience); err != nil {
		return err
	}
	query := url.Values{"limit": {strconv.Itoa(membersPage)}}
	for _, name := range []string{"from", "generation"} {
		if value := r.query(name); value != "" {
			query.Set(name, value)
		}
	}
	err := r.get(r.audiencePath()+"/members", query, &v)
	if missing(err, http.StatusConflict) {
		v.Anew = true
		err = r.get(r.audiencePath()+"/members", url.Values{"limit": query["limit"]}, &v)
	}
	if err != nil {
		return err
	}
	return r.show("audience_members", v)
}

// exportAudience hands the API's file on.
func (r *request) exportAudience() error {
	got, err := r.ask(call{Path: r.audiencePath() + "/export", Query: url.Values{"format": {r.query("format")}}})
	if err != nil {
		return err
	}
	r.began = true
	for _, name := range []string{"Content-Type", "Content-Disposition"} {
		r.w.Header()[name] = got.Header()[name]
	}
	_, _ = r.w.Write(got.Body.Bytes()) // the browser is gone
	return nil
}
