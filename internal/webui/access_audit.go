package webui

import (
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// An auditEvent is an entry of the audit log.
type auditEvent struct {
	ID          string   `json:"id"`
	RequestID   string   `json:"requestId"`
	Time        string   `json:"timestamp"`
	User        string   `json:"userEmail"`
	Client      string   `json:"authId"`
	Action      string   `json:"action"`
	AssetType   string   `json:"assetType"`
	AssetID     string   `json:"assetId"`
	Status      string   `json:"status"` // Allow, Deny
	FailureCode string   `json:"failureCode"`
	Sandbox     string   `json:"sandboxName"`
	Addresses   []string `json:"userIpAddresses"`
	Service     string   `json:"permissionResource"`
	Method      string   `json:"method"`
	Path        string   `json:"path"`
	HTTPStatus  int      `json:"httpStatus"`
	Unlogged    int      `json:"unlogged"`
	Enhanced    []struct {
		Status      string `json:"status"` // Success, Failure
		FailureCode string `json:"failureCode"`
	} `json:"enhancedEvents"`
}

// At is when it happened.
func (e auditEvent) At() (time.Time, error) {
	return time.Parse("2006-01-02T15:04:05.000-0700", e.Time)
}

// Outcome is how it ended, in a word.
func (e auditEvent) Outcome() string {
	if len(e.Enhanced) == 0 {
		return "Refused"
	}
	if e.Enhanced[0].Status == "Success" {
		return "Done"
	}
	return "Failed"
}

// Code is the number of what went wrong, or empty.
func (e auditEvent) Code() string {
	if len(e.Enhanced) > 0 {
		return e.Enhanced[0].FailureCode
	}
	return e.FailureCode
}

// Tone is the class of the outcome's badge.
func (e auditEvent) Tone() string {
	return map[string]string{"Done": "positive", "Failed": "negative", "Refused": "warning"}[e.Outcome()]
}

var _ = words("Done", "Failed", "Refused", "Create", "Update", "Delete", "Read")

// auditView is what the page of the audit log shows.
type auditView struct {
	User, Action, Outcome, Asset, From, To string
	Whole                                  bool // of the organisation, for administrators

	Actions, Outcomes []string
	Events            []auditEvent
	Pages             auditPages
	Faults            formFaults
}

// Filtered says whether the list was narrowed.
func (v *auditView) Filtered() bool {
	return v.User+v.Action+v.Outcome+v.Asset+v.From+v.To != ""
}

// auditPages are the pages of one question: what is logged meanwhile does not move them.
type auditPages struct {
	Start, Shown, Total int
	question            url.Values
}

// auditSize is how many entries a page has.
const auditSize = 50

// First is the number of the first entry, as people count.
func (p auditPages) First() int { return min(p.Start+1, p.Total) }

// To is the number of the last entry.
func (p auditPages) To() int { return p.Start + p.Shown }

// Before is the query of the page before, empty where there is none.
func (p auditPages) Before() string {
	if p.Start == 0 {
		return ""
	}
	return p.at(max(0, p.Start-auditSize))
}

// After is the query of the next page.
func (p auditPages) After() string {
	if p.To() >= p.Total {
		return ""
	}
	return p.at(p.To())
}

func (p auditPages) at(start int) string {
	p.question.Set("start", strconv.Itoa(start))
	return "?" + p.question.Encode()
}

func (r *request) showAudit() error {
	v := &auditView{
		User: r.query("user"), Action: r.query("action"), Outcome: r.query("outcome"), Asset: r.query("asset"), From: r.query("from"), To: r.query("to"),
		Whole: r.query("scope") == "organization" && r.Caller.Admin, Actions: []string{"Create", "Update", "Delete", "Read"}, Outcomes: []string{"Done", "Failed", "Refused"},
	}
	properties := r.auditProperties(v)
	if len(v.Faults) > 0 {
		return r.again("access_audit", "list", v)
	}
	if err := r.auditEvents(v, properties); err != nil {
		return err
	}
	if r.partial() {
		return r.part("access_audit", "list", v)
	}
	return r.show("access_audit", v)
}

// auditProperties are the conditions of a question.
func (r *request) auditProperties(v *auditView) (all []string) {
	if v.User != "" {
		all = append(all, "user~(?i)"+regexp.QuoteMeta(v.User))
	}
	if v.Asset != "" {
		all = append(all, "assetType~(?i)"+regexp.QuoteMeta(v.Asset))
	}
	if v.Action != "" {
		all = append(all, "action=="+v.Action)
	}
	if status := map[string]string{"Done": "Success", "Failed": "Failure", "Refused": "Deny"}[v.Outcome]; status != "" {
		all = append(all, "status=="+status)
	}
	for _, day := range []struct {
		field, text, op string
		days            int
	}{{"from", v.From, ">=", 0}, {"to", v.To, "<", 1}} {
		if day.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			v.Faults.add(day.field, r.t("This is no day, such as %s.", r.ui.Now().UTC().Format(time.DateOnly)))
			continue
		}
		all = append(all, "timestamp"+day.op+at.AddDate(0, 0, day.days).Format(time.DateOnly))
	}
	return all
}

// auditEvents asks for a page: of a question that was asked before, or of a
// new one.
func (r *request) auditEvents(v *auditView, properties []string) error {
	start, err := strconv.Atoi(r.query("start"))
	if err != nil || start < 0 {
		start = 0
	}
	query := url.Values{"limit": {strconv.Itoa(auditSize)}, "start": {strconv.Itoa(start)}, "property": properties}
	if id := r.query("question"); id != "" {
		query.Set("queryId", id)
	} else if v.Whole {
		query.Set("scope", "organization")
	}
	var got struct {
		Embedded struct {
			Events []auditEvent `json:"events"`
		} `json:"_embedded"`
		QueryID string `json:"queryId"`
		Page    struct {
			Total int `json:"totalElements"`
		} `json:"page"`
	}
	if err := r.get(auditAPI+"/events", query, &got); err != nil {
		return err
	}
	v.Events = got.Embedded.Events
	question := url.Values{"question": {got.QueryID}}
	for name, value := range map[string]string{"user": v.User, "action": v.Action, "outcome": v.Outcome, "asset": v.Asset, "from": v.From, "to": v.To} {
		if value != "" {
			question.Set(name, value)
		}
	}
	if v.Whole {
		question.Set("scope", "organization")
	}
	v.Pages = auditPages{Start: start, Shown: len(v.Events), Total: got.Page.Total, question: question}
	return nil
}
