package webui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// An accountRow is an account in the list.
type accountRow struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Description    string `json:"description"`
	State          string `json:"state"`
	Authentication string `json:"authentication"`
	AccountID      string `json:"accountId"` // Stripe's; empty until it was asked
	CreatedAt      int64  `json:"created"`
	CreatedBy      string `json:"createdBy"`
	Flows          int    `json:"dataflows"`
}

// accountsView is what the list of accounts shows.
type accountsView struct {
	Query string
	Sort  sorting
	Rows  []accountRow
	Pages paging
	Done  string
}

func (r *request) showAccounts() error {
	v := accountsView{Query: strings.TrimSpace(r.query("q")), Sort: r.sorting("-created", "name", "created", "dataflows"), Done: r.done()}
	var err error
	if v.Rows, v.Pages, err = listed[accountRow](r, "/connections", url.Values{"search": {v.Query}, "sort": {v.Sort.By}}); err != nil {
		return err
	}
	if r.partial() {
		return r.part("accounts", "list", v)
	}
	return r.show("accounts", v)
}

// items reads all items of a list of the Flow Service into out, a pointer to a
// slice.
func (r *request) items(path string, query url.Values, out any) error {
	query.Set("limit", "100")
	var all []json.RawMessage
	for {
		var got struct {
			Items []json.RawMessage `json:"items"`
			Links struct {
				Next *struct {
					Href string `json:"href"`
				} `json:"next"`
			} `json:"_links"`
		}
		if err := r.get(flowAPI+path, query, &got); err != nil {
			return err
		}
		all = append(all, got.Items...)
		if got.Links.Next == nil {
			b, err := json.Marshal(all)
			if err != nil {
				return err
			}
			return json.Unmarshal(b, out)
		}
		next, err := url.Parse(got.Links.Next.Href)
		if err != nil {
			return err
		}
		query = next.Query()
	}
}

// accountView is the form that changes an account.
type accountView struct {
	Account           *baseConnection
	Name, Description string
	Faults            formFaults
}

func (r *request) showAccount() error {
	c, err := r.connection(r.http.PathValue("account"))
	if err != nil {
		return err
	}
	return r.show("account", accountView{Account: c, Name: c.Name, Description: c.Description})
}

// changeAccount changes name and description, and the key if there is a new
// one, which is tried first: with a key that Stripe refuses nothing changes.
func (r *request) changeAccount() error {
	c, err := r.connection(r.http.PathValue("account"))
	if err != nil {
		return err
	}
	v := accountView{Account: c, Name: r.form("name"), Description: r.form("description")}
	if v.Name == "" {
		v.Faults.add("name", r.t("Give the account a name."))
		return r.again("account", "main", v)
	}
	token := r.form("token")
	if token != "" {
		if err := r.tryKey(v.Name, token); err != nil {
			v.Faults.add("token", r.fault(err).Text)
			return r.again("account", "main", v)
		}
	}
	ops := []map[string]any{{"op": "replace", "path": "/name", "value": v.Name}, {"op": "add", "path": "/description", "value": v.Description}}
	if token != "" {
		ops = append(ops, map[string]any{"op": "add", "path": "/auth/params/accessToken", "value": token})
	}
	err = r.call(call{
		Method: http.MethodPatch, Path: flowAPI + "/connections/" + escape(c.ID), Body: ops, Header: http.Header{"If-Match": {r.form("etag")}},
	}, nil)
	if err != nil {
		v.Faults = append(v.Faults, r.fault(err))
		return r.again("account", "main", v)
	}
	return r.redirect("/sources/accounts?done=account-changed")
}

// tryKey asks Stripe about a key by a connection that is there for that alone.
func (r *request) tryKey(name, token string) error {
	id, err := r.connect(name, r.t("There for a moment, to try a new key."), token)
	if err != nil {
		return err
	}
	return r.send(http.MethodDelete, flowAPI+"/connections/"+escape(id), nil, nil)
}

func (r *request) deleteAccount() error {
	id := r.http.PathValue("account")
	if err := r.send(http.MethodDelete, flowAPI+"/connections/"+escape(id), nil, nil); err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/sources/accounts?done=account-deleted")
}

// A sorting is the order of a list: a field, with - before it for descending.
type sorting struct{ By string }

// sorting reads the order that was asked for; fields are those that may be.
func (r *request) sorting(usual string, fields ...string) sorting {
	by := r.query("sort")
	for _, f := range fields {
		if strings.TrimPrefix(by, "-") == f {
			return sorting{by}
		}
	}
	return sorting{usual}
}

// Aria is the value of aria-sort of a column.
func (s sorting) Aria(field string) string {
	switch s.By {
	case field:
		return "ascending"
	case "-" + field:
		return "descending"
	}
	return "none"
}

// Next is the order that a click on a column asks for.
func (s sorting) Next(field string) string {
	if s.By == field {
		return "-" + field
	}
	return field
}

// pageSize is how many rows a page of a list has.
const pageSize = 20

// A paging is a part of a list.
type paging struct {
	Page, Pages int // from 1 on
	From, To    int // of the rows, half open
	Total       int
	query       url.Values
}

// paging returns the page that was asked for.
func (r *request) paging(total int) paging {
	n, err := strconv.Atoi(r.query("page"))
	if err != nil || n < 1 {
		n = 1
	}
	p := paging{Pages: max(1, (total+pageSize-1)/pageSize), Total: total, query: r.http.URL.Query()}
	p.Page = min(n, p.Pages)
	p.From = min((p.Page-1)*pageSize, total)
	p.To = min(p.From+pageSize, total)
	return p
}

// First is the number of the first row, as people count.
func (p paging) First() int { return min(p.From+1, p.Total) }

// Before and After are the queries of the pages beside; empty where there is
// none.
func (p paging) Before() string { return p.at(p.Page - 1) }

// After is the query of the next page.
func (p paging) After() string { return p.at(p.Page + 1) }

func (p paging) at(n int) string {
	if n < 1 || n > p.Pages {
		return ""
	}
	q := url.Values{}
	for name, values := range p.query {
		if name != "page" && name != "done" {
			q[name] = values
		}
	}
	q.Set("page", strconv.Itoa(n))
	return "?" + q.Encode()
}

var errNoFlow = errors.New("the answer has no dataflow")
