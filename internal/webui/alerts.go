package webui

import (
	"cmp"
	"net/http"
	"net/url"

	"github.com/tributary-data/tributary/internal/access"
)

// Alerts: who is told what, and the notices that were put down here.
func (u *UI) alertRoutes(m *routes) {
	view, manage := access.AnyOf(access.ViewAlerts, access.ManageAlerts), access.AnyOf(access.ManageAlerts)
	m.get("/notifications", view, (*request).showNotices)
	m.post("/notifications/{id}/read", view, markNotice("read"))
	m.post("/notifications/{id}/unread", view, markNotice("unread"))
	m.get("/alerts", view, (*request).showAlerts)
	m.get("/alerts/new", manage, (*request).showNewAlert)
	m.post("/alerts/new", manage, (*request).makeAlert)
	m.get("/alerts/{id}", manage, (*request).showAlert)
	m.post("/alerts/{id}", manage, (*request).changeAlert)
	m.post("/alerts/{id}/enable", manage, switchAlert(true))
	m.post("/alerts/{id}/disable", manage, switchAlert(false))
	m.post("/alerts/{id}/test", manage, (*request).tryAlert)
	m.post("/alerts/{id}/delete", manage, (*request).deleteAlert)
}

// An alertKind is something that can be told.
type alertKind struct{ Kind, Title string }

// moreKinds can be subscribed to beside those of runs.
var moreKinds = []alertKind{
	{"run-delay", "Sources Dataflow Run Delay"},
	{"read-budget", "Stripe's read allocation is running out"},
	{"drift", "Stripe sends something new"},
}

// otherKinds are those that only notices have.
var otherKinds = []alertKind{
	{"run-recovered", "Sources Dataflow works again"},
	{"delivery-failure", "Alerts could not be delivered"},
	{"test", "Test"},
}

var _ = words("Sources Dataflow Run Delay", "Stripe's read allocation is running out", "Stripe sends something new",
	"Sources Dataflow works again", "Alerts could not be delivered", "Test")

// allKinds are those that can be subscribed to.
func allKinds() []alertKind {
	var all []alertKind
	for _, k := range alertKinds {
		all = append(all, alertKind(k))
	}
	return append(all, moreKinds...)
}

// A notice is an alert that was put down to be read here.
type notice struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Headline string `json:"title"`
	Text     string `json:"text"`
	Flow     string `json:"flowId"`
	FlowName string `json:"flowName"`
	Run      string `json:"runId"`
	At       int64  `json:"at"`
	Count    int    `json:"count"`
	Last     int64  `json:"lastAt"`
	Read     bool   `json:"read"`
}

// Title names the kind.
func (n notice) Title() string { return kindTitle(n.Kind) }

func kindTitle(kind string) string {
	for _, k := range append(allKinds(), otherKinds...) {
		if k.Kind == kind {
			return k.Title
		}
	}
	return kind
}

// Tone is the class of the notice.
func (n notice) Tone() string {
	switch n.Kind {
	case "run-failure", "delivery-failure":
		return "negative"
	case "run-delay", "read-budget", "drift":
		return "warning"
	case "run-recovered", "run-success":
		return "positive"
	}
	return "info"
}

// noticesView is what the page of notices shows.
type noticesView struct {
	Unread bool
	Kind   string
	Kinds  []alertKind
	Items  []notice
	Later  bool   // not the first page
	Next   string // query of the next page; empty for none
}

// Filtered says whether the list was narrowed.
func (v *noticesView) Filtered() bool { return v.Unread || v.Kind != "" }

func (r *request) showNotices() error {
	v := &noticesView{Unread: r.query("unread") == "true", Kind: r.query("kind"), Kinds: append(allKinds(), otherKinds...), Later: r.query("after") != ""}
	query := url.Values{"limit": {"25"}}
	for name, value := range map[string]string{"kind": v.Kind, "continuationToken": r.query("after")} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if v.Unread {
		query.Set("unread", "true")
	}
	var got struct {
		Items []notice `json:"items"`
		Links struct {
			Next *struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
	}
	if err := r.get(alertAPI+"/notices", query, &got); err != nil {
		return err
	}
	v.Items = got.Items
	if got.Links.Next != nil {
		next, err := url.Parse(got.Links.Next.Href)
		if err != nil {
			return err
		}
		after := url.Values{"after": {next.Query().Get("continuationToken")}}
		if v.Kind != "" {
			after.Set("kind", v.Kind)
		}
		if v.Unread {
			after.Set("unread", "true")
		}
		v.Next = "?" + after.Encode()
	}
	if r.partial() {
		return r.part("notifications", "list", v)
	}
	return r.show("notifications", v)
}

// markNotice is the button that says whether one has read a notice. It goes
// back to the part of the list where it stood.
func markNotice(as string) func(*request) error {
	return func(r *request) error {
		err := r.send(http.MethodPost, alertAPI+"/notices/"+escape(r.http.PathValue("id"))+"/"+as, nil, nil)
		if err != nil && !missing(err, http.StatusNotFound) {
			return err
		}
		query := url.Values{}
		for _, name := range []string{"kind", "unread", "after"} {
			if value := r.form(name); value != "" {
				query.Set(name, value)
			}
		}
		to := "/notifications"
		if len(query) > 0 {
			to += "?" + query.Encode()
		}
		return r.redirect(to)
	}
}

// channelTitle names the way in which alerts come.
func channelTitle(channel string) string {
	return cmp.Or(map[string]string{"email": "E-mail", "webhook": "Webhook", "app": "Notifications"}[channel], channel)
}

var _ = words("E-mail", "Webhook", "Notifications")
