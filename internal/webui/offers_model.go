package webui

import (
	"net/http"
	"net/url"
)

// A madeModel is what is known of the model of what goes together.
type madeModel struct {
	Metadata      string `json:"metadata"`
	Format        string `json:"format"`
	Subscriptions bool   `json:"subscriptions"`
	Copy          string `json:"copy"`
	At            string `json:"at"`
	Orders        int64  `json:"orders"`
	CutShort      int64  `json:"cutShort"`
	Items         int64  `json:"items"`
	Rules         int64  `json:"rules"`
}

type modelView struct {
	Model  madeModel
	Made   bool
	Copies []string // "" is the directory's own
	Done   string
	Faults formFaults
}

func (r *request) modelView() (v modelView, err error) {
	v.Done = r.deed(offerDeeds)
	switch err := r.get(offerAPI+"/model", nil, &v.Model); {
	case err == nil:
		v.Made = true
	case !missing(err, http.StatusNotFound):
		return v, err
	default:
		v.Model.Metadata = "items"
	}
	var got struct {
		Copies []string `json:"copies"`
	}
	err = r.get("/data/tributary/reports/copies", nil, &got)
	v.Copies = got.Copies
	return v, err
}

func (r *request) showModel() error {
	v, err := r.modelView()
	if err != nil {
		return err
	}
	return r.show("offer_model", v)
}

func (r *request) makeModel() error {
	body := map[string]any{"metadata": r.form("metadata"), "format": r.form("format"), "subscriptions": r.form("subscriptions") != "", "copy": r.form("copy")}
	err := r.send(http.MethodPost, offerAPI+"/model", body, nil)
	if err == nil {
		return r.redirect("/offers/model?" + url.Values{"done": {"offer-model"}}.Encode())
	}
	fault := r.fault(err)
	v, err := r.modelView()
	if err != nil {
		return err
	}
	v.Model.Metadata, v.Model.Format = r.form("metadata"), r.form("format")
	v.Model.Subscriptions, v.Model.Copy = r.form("subscriptions") != "", r.form("copy")
	v.Faults = formFaults{fault}
	return r.again("offer_model", "main", v)
}
