package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
)

// A subscription says who is told what.
type subscription struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Channel  string   `json:"channel"` // email, webhook, app
	To       []string `json:"to"`
	URL      string   `json:"url"`
	Kinds    []string `json:"kinds"`
	Flows    []string `json:"flows"` // none for all
	Delivery string   `json:"delivery"`
	Hour     int      `json:"digestHour"`
	EveryRun bool     `json:"everyRun"`
	Enabled  bool     `json:"enabled"`
	By       string   `json:"createdBy"`
	Version  string   `json:"version"`
	Health   *struct {
		Status  string `json:"status"` // delivered, failing
		At      int64  `json:"at"`
		Error   string `json:"error"`
		GivenUp int    `json:"givenUp"`
	} `json:"health"`
	FlowNames []string `json:"-"`
}

// ChannelTitle names the way in which it tells.
func (s subscription) ChannelTitle() string { return channelTitle(s.Channel) }

// KindTitles name what it tells.
func (s subscription) KindTitles() (all []string) {
	for _, k := range s.Kinds {
		all = append(all, kindTitle(k))
	}
	return all
}

// Wants says whether a kind is ticked.
func (s subscription) Wants(kind string) bool { return slices.Contains(s.Kinds, kind) }

// About says whether a dataflow is ticked.
func (s subscription) About(flow string) bool { return slices.Contains(s.Flows, flow) }

// Addresses are those of mail, one a line.
func (s subscription) Addresses() string { return strings.Join(s.To, "\n") }

// alertsView is what the list of subscriptions shows.
type alertsView struct {
	Items  []subscription
	Done   string
	Failed string // why the test that was asked for was not delivered
}

var alertDeeds = map[string]string{
	"alert-made":     "The subscription was added.",
	"alert-changed":  "The subscription was changed.",
	"alert-enabled":  "The subscription is on.",
	"alert-disabled": "The subscription is off: it tells nothing until it is on again.",
	"alert-deleted":  "The subscription was deleted.",
	"alert-tested":   "The test was delivered.",
}

var _ = words("The subscription was added.", "The subscription was changed.", "The subscription is on.",
	"The subscription is off: it tells nothing until it is on again.", "The subscription was deleted.", "The test was delivered.")

func (r *request) showAlerts() error {
	v, err := r.alertsView()
	if err != nil {
		return err
	}
	return r.show("alerts", v)
}

func (r *request) alertsView() (*alertsView, error) {
	v := &alertsView{Done: r.deed(alertDeeds)}
	if err := r.get(alertAPI+"/subscriptions", nil, v); err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range v.Items {
		ids = append(ids, s.Flows...)
	}
	if len(ids) == 0 {
		return v, nil
	}
	names, err := r.flowNames(ids...)
	if err != nil {
		return nil, err
	}
	for i, s := range v.Items {
		for _, id := range s.Flows {
			name := id
			if j := slices.IndexFunc(names, func(f flowName) bool { return f.ID == id }); j >= 0 {
				name = names[j].Name
			}
			v.Items[i].FlowNames = append(v.Items[i].FlowNames, name)
		}
	}
	return v, nil
}

// A flowName is a dataflow to choose.
type flowName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// flowNames are those of some dataflows, or of all, that the caller may see.
func (r *request) flowNames(of ...string) (all []flowName, err error) {
	if !r.may(access.ViewSources, access.ManageSources) {
		return nil, nil
	}
	return allOf[flowName](r, "/flows", url.Values{"sort": {"name"}, "flowId": of})
}

// alertView is the form of a subscription.
type alertView struct {
	Sub      subscription
	New      bool
	Channels []alertKind // to choose from
	Kinds    []alertKind
	Flows    []flowName
	Hours    []string
	Faults   formFaults
}

func (r *request) alertView(s subscription) (*alertView, error) {
	v := &alertView{Sub: s, New: s.ID == "", Kinds: allKinds()}
	for _, c := range []string{"app", "email", "webhook"} {
		v.Channels = append(v.Channels, alertKind{c, channelTitle(c)})
	}
	for h := range 24 {
		v.Hours = append(v.Hours, strconv.Itoa(h))
	}
	var err error
	if v.Flows, err = r.flowNames(); err != nil {
		return nil, err
	}
	// What was chosen stays to be chosen, if it is not there any more as well.
	for _, id := range s.Flows {
		if !slices.ContainsFunc(v.Flows, func(f flowName) bool { return f.ID == id }) {
			v.Flows = append(v.Flows, flowName{id, id})
		}
	}
	return v, nil
}

func (r *request) showNewAlert() error {
	s := subscription{Channel: r.query("channel"), Kinds: []string{"run-failure", "run-delay", "read-budget", "drift"}, Delivery: "immediate", Hour: 8, Enabled: true}
	if !slices.Contains([]string{"email", "webhook"}, s.Channel) {
		s.Channel = "app"
	}
	s.EveryRun = s.Channel == "webhook" // programs count on an event of each run
	v, err := r.alertView(s)
	if err != nil {
		return err
	}
	return r.show("alert", v)
}

func (r *request) subscription() (s subscription, err error) {
	return s, r.get(alertAPI+"/subscriptions/"+escape(r.http.PathValue("id")), nil, &s)
}

func (r *request) showAlert() error {
	s, err := r.subscription()
	if err != nil {
		return err
	}
	v, err := r.alertView(s)
	if err != nil {
		return err
	}
	return r.show("alert", v)
}

// readAlert reads the form over a subscription, and returns what the API is to
// be sent.
func (r *request) readAlert(s *subscription) (body map[string]any, wrong formFaults) {
	s.Name, s.URL = strings.Join(strings.Fields(r.form("name")), " "), r.form("url")
	s.To = strings.FieldsFunc(r.form("to"), func(c rune) bool { return strings.ContainsRune(" ,;\r\n\t", c) })
	s.Kinds, s.Flows = nil, r.http.PostForm["flows"]
	for _, k := range allKinds() {
		if slices.Contains(r.http.PostForm["kinds"], k.Kind) {
			s.Kinds = append(s.Kinds, k.Kind)
		}
	}
	s.EveryRun = r.form("every-run") != ""
	body = map[string]any{"name": s.Name, "kinds": s.Kinds, "flows": append([]string{}, s.Flows...), "everyRun": s.EveryRun}
	if s.Name == "" {
		wrong.add("name", r.t("Give the subscription a name."))
	}
	if len(s.Kinds) == 0 {
		wrong.add("kinds", r.t("Choose what you want to be told."))
	}
	switch s.Channel {
	case "email":
		if body["to"] = s.To; len(s.To) == 0 {
			wrong.add("to", r.t("Give at least one e-mail address."))
		}
	case "webhook":
		if body["url"] = s.URL; s.URL == "" {
			wrong.add("url", r.t("The URL is missing."))
		}
	}
	if s.Channel != "app" {
		s.Delivery, s.Hour = "immediate", 0
		if r.form("delivery") == "digest" {
			s.Delivery = "digest"
		}
		if h, err := strconv.Atoi(r.form("hour")); err == nil && h >= 0 && h < 24 {
			s.Hour = h
		}
		body["delivery"], body["digestHour"] = s.Delivery, s.Hour
	}
	return body, wrong
}

// makeAlert makes a subscription. The secret of a webhook's signatures is shown
// once, on the page that answers.
func (r *request) makeAlert() error {
	s := subscription{Channel: r.form("channel"), Enabled: true}
	if !slices.Contains([]string{"email", "webhook"}, s.Channel) {
		s.Channel = "app"
	}
	body, wrong := r.readAlert(&s)
	body["channel"] = s.Channel
	var made struct {
		Secret string `json:"secret"`
	}
	if len(wrong) == 0 {
		err := r.send(http.MethodPost, alertAPI+"/subscriptions", body, &made)
		switch {
		case err != nil:
			wrong = append(wrong, r.fault(err))
		case made.Secret != "":
			return r.show("alert_secret", map[string]string{"Name": s.Name, "Secret": made.Secret})
		default:
			return r.redirect("/alerts?done=alert-made")
		}
	}
	return r.alertAgain(s, wrong)
}

func (r *request) changeAlert() error {
	s, err := r.subscription()
	if err != nil {
		return err
	}
	body, wrong := r.readAlert(&s)
	s.Version = r.form("version")
	if len(wrong) == 0 {
		err := r.call(call{
			Method: http.MethodPatch, Path: alertAPI + "/subscriptions/" + escape(s.ID), Body: body, Header: http.Header{"If-Match": {strconv.Quote(s.Version)}},
		}, nil)
		if err == nil {
			return r.redirect("/alerts?done=alert-changed")
		}
		wrong = append(wrong, r.fault(err))
	}
	return r.alertAgain(s, wrong)
}

func (r *request) alertAgain(s subscription, wrong formFaults) error {
	v, err := r.alertView(s)
	if err != nil {
		return err
	}
	v.Faults = wrong
	return r.again("alert", "main", v)
}

// switchAlert turns a subscription on or off.
func switchAlert(on bool) func(*request) error {
	return func(r *request) error {
		if err := r.send(http.MethodPatch, alertAPI+"/subscriptions/"+escape(r.http.PathValue("id")), map[string]any{"enabled": on}, nil); err != nil {
			return err
		}
		if on {
			return r.redirect("/alerts?done=alert-enabled")
		}
		return r.redirect("/alerts?done=alert-disabled")
	}
}

// tryAlert has a test delivered, and says so, or why it was not.
func (r *request) tryAlert() error {
	var got struct {
		Delivered bool   `json:"delivered"`
		Error     string `json:"error"`
	}
	if err := r.send(http.MethodPost, alertAPI+"/subscriptions/"+escape(r.http.PathValue("id"))+"/test", nil, &got); err != nil {
		return err
	}
	if got.Delivered {
		return r.redirect("/alerts?done=alert-tested")
	}
	v, err := r.alertsView()
	if err != nil {
		return err
	}
	v.Failed = got.Error
	return r.show("alerts", v)
}

func (r *request) deleteAlert() error {
	err := r.send(http.MethodDelete, alertAPI+"/subscriptions/"+escape(r.http.PathValue("id")), nil, nil)
	if err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/alerts?done=alert-deleted")
}
