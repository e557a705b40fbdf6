package webui

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// authSpec is how connections to Stripe get in.
const authSpec = "OAuth2 Refresh Code"

// A baseConnection is an account at the source, as the Flow Service shows it.
type baseConnection struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	State       string `json:"state"`
	CreatedAt   int64  `json:"createdAt"`
	CreatedBy   string `json:"createdBy"`
	Etag        string `json:"etag"`
	Auth        struct {
		SpecName string `json:"specName"`
	} `json:"auth"`
}

// connectView is what the first step shows.
type connectView struct {
	Draft  *draft
	Steps  []stepView
	New    bool // a new account, not one that there is
	Faults formFaults

	Name, Description string // as typed

	Query    string
	Accounts []baseConnection
	More     bool
	Chosen   *baseConnection
}

func (r *request) connection(id string) (*baseConnection, error) {
	var got struct {
		Items []baseConnection `json:"items"`
	}
	if err := r.get(flowAPI+"/connections/"+escape(id), nil, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, r.notFound()
	}
	return &got.Items[0], nil
}

func (r *request) showConnect() error {
	d, err := r.draft()
	if err != nil {
		return err
	}
	v, err := r.connectView(d)
	if err != nil {
		return err
	}
	switch r.query("choice") {
	case "new":
		v.New = true
	case "existing":
		v.New = false
	}
	if r.partial() {
		return r.part("workflow_connect", "accounts", v)
	}
	return r.show("workflow_connect", v)
}

// connectView reads the accounts that there are. Without any, a new one is what
// is offered first.
func (r *request) connectView(d *draft) (*connectView, error) {
	v := &connectView{Draft: d, Steps: d.steps("connect"), Query: strings.TrimSpace(r.query("q"))}
	if d.Connection != "" {
		c, err := r.connection(d.Connection)
		if f, ok := errors.AsType[*gateway.Failure](err); ok && f.Status == http.StatusNotFound {
			if d, err = r.changeDraft(func(d *draft) error { d.Connection = ""; return nil }); err == nil {
				v.Draft, v.Steps = d, d.steps("connect")
			}
		}
		if err != nil {
			return nil, err
		}
		v.Chosen = c
	}
	const most = 100
	var err error
	v.Accounts, v.More, err = r.enabledAccounts(v.Query, most)
	v.New = len(v.Accounts) == 0 && v.Query == ""
	return v, err
}

// enabledAccounts returns the accounts that a dataflow can be made of, newest
// first, whose names have a text.
func (r *request) enabledAccounts(text string, most int) (all []baseConnection, more bool, err error) {
	query := url.Values{"limit": {"100"}, "property": {"state==enabled"}, "orderby": {"-createdAt"}}
	for {
		var got struct {
			Items []baseConnection `json:"items"`
			Links struct {
				Next *struct {
					Href string `json:"href"`
				} `json:"next"`
			} `json:"_links"`
		}
		if err := r.get(flowAPI+"/connections", query, &got); err != nil {
			return nil, false, err
		}
		for _, c := range got.Items {
			if !strings.Contains(strings.ToLower(c.Name), strings.ToLower(text)) {
				continue
			}
			if len(all) == most {
				return all, true, nil
			}
			all = append(all, c)
		}
		if got.Links.Next == nil {
			return all, false, nil
		}
		next, err := url.Parse(got.Links.Next.Href)
		if err != nil {
			return nil, false, err
		}
		query = next.Query()
	}
}

// connectNew makes a base connection, and keeps it if Stripe takes its key.
func (r *request) connectNew() error {
	d, err := r.draft()
	if err != nil {
		return err
	}
	var wrong formFaults
	name, token := r.form("name"), r.form("token")
	if name == "" {
		wrong.add("name", r.t("Give the account a name."))
	}
	if token == "" {
		wrong.add("token", r.t("The access token is missing."))
	}
	var id string
	if len(wrong) == 0 {
		if id, err = r.connect(name, r.form("description"), token); err != nil {
			wrong.add("token", r.fault(err).Text)
		}
	}
	if len(wrong) > 0 {
		v, err := r.connectView(d)
		if err != nil {
			return err
		}
		v.New, v.Faults, v.Name, v.Description = true, wrong, name, r.form("description")
		return r.again("workflow_connect", "new", v)
	}
	if d, err = r.changeDraft(func(d *draft) error { d.choose(id); return nil }); err != nil {
		return err
	}
	return r.redirect(d.path("connect"))
}

// connect makes a base connection that works. One that does not is not kept: who
// corrects the key would make a second one.
func (r *request) connect(name, description, token string) (id string, err error) {
	var got struct {
		ID string `json:"id"`
	}
	err = r.send(http.MethodPost, flowAPI+"/connections", map[string]any{
		"name": name, "description": description, "connectionSpec": map[string]any{"id": stripeSpec, "version": "1.0"},
		"auth": map[string]any{"specName": authSpec, "params": map[string]any{"accessToken": token}},
	}, &got)
	if err != nil {
		return "", err
	}
	if err := r.tested(got.ID); err != nil {
		return "", errors.Join(err, r.send(http.MethodDelete, flowAPI+"/connections/"+escape(got.ID), nil, nil))
	}
	return got.ID, nil
}

// tested asks whether a base connection works; an error in Stripe's words if it
// does not.
func (r *request) tested(id string) error {
	var got struct {
		Result  bool   `json:"result"`
		Message string `json:"message"`
	}
	err := r.get(flowAPI+"/connections/"+escape(id)+"/test", nil, &got)
	if err == nil && !got.Result {
		err = gateway.Fail(http.StatusBadRequest, "", "", "%s", got.Message)
	}
	return err
}

func (r *request) connectExisting() error {
	id := r.form("connection")
	wrong := formFaults{}
	if id == "" {
		wrong.add("accounts", r.t("Choose an account."))
	} else if err := r.tested(id); err != nil {
		wrong.add("accounts", r.fault(err).Text)
	}
	d, err := r.draft()
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		v, err := r.connectView(d)
		if err != nil {
			return err
		}
		v.New, v.Faults = false, wrong
		return r.again("workflow_connect", "existing", v)
	}
	if d, err = r.changeDraft(func(d *draft) error { d.choose(id); return nil }); err != nil {
		return err
	}
	return r.redirect(d.path("connect"))
}

// choose takes another account.
func (d *draft) choose(connection string) { d.Connection = connection }
