package webui

import "net/http"

// reviewView is what the last step shows: all that was told, in three cards.
type reviewView struct {
	Draft    *draft
	Steps    []stepView
	Failure  string
	Account  string
	Resource string
	Dataset  string
	Schema   string
	Template bool
	Rules    int
	Start    int64 // epoch ms; 0 for now
}

func (r *request) showReview() error {
	d, ok, err := r.enter("review")
	if err != nil || !ok {
		return err
	}
	v, err := r.reviewView(d, "")
	if err != nil {
		return err
	}
	return r.show("workflow_review", v)
}

func (r *request) reviewView(d *draft, failure string) (*reviewView, error) {
	v := &reviewView{
		Draft: d, Steps: d.steps("review"), Failure: failure, Resource: resourceAt(d.ResourcePath).Title, Dataset: d.DatasetName, Rules: len(d.Rules), Start: d.Start * 1000,
	}
	c, err := r.connection(d.Connection)
	if err != nil {
		return nil, err
	}
	v.Account = c.Name
	schema := d.Schema
	if d.Dataset != "" {
		set, err := r.dataset(d.Dataset)
		if err != nil {
			return nil, err
		}
		v.Dataset, schema = set.Title, set.SchemaID
	}
	if schema == templatePrefix+d.ResourcePath {
		v.Template, v.Schema = true, resourceAt(d.ResourcePath).Template
		return v, nil
	}
	all, err := r.schemas("", schema)
	if err != nil {
		return nil, err
	}
	v.Schema = schema
	if s := all.chosen(); s != nil {
		v.Schema = s.Title
	}
	return v, nil
}

// failed shows the last step once more, with what went wrong.
func (r *request) reviewAgain(d *draft, why string) error {
	v, err := r.reviewView(d, why)
	if err != nil {
		return err
	}
	return r.render(http.StatusUnprocessableEntity, "workflow_review", "page", v)
}
