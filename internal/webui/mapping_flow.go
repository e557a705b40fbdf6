package webui

import (
	"net/http"
	"net/url"
	"reflect"

	"github.com/tributary-data/tributary/internal/gateway"
)

// A mappedFlow is a dataflow with the mapping set that it uses.
type mappedFlow struct {
	flowItem

	SourceIDs []string `json:"sourceConnectionIds"`
	TargetIDs []string `json:"targetConnectionIds"`
	Inherited struct {
		Sources []struct {
			Base struct {
				ID string `json:"id"`
			} `json:"baseConnection"`
		} `json:"sourceConnections"`
	} `json:"inheritedAttributes"`
	Transformations []struct {
		Name   string `json:"name"`
		Params struct {
			ID      string `json:"mappingId"`
			Version string `json:"mappingVersion"`
		} `json:"params"`
	} `json:"transformations"`

	Set     string `json:"-"` // id of its mapping set; "" of a draft that has none
	Version string `json:"-"`
}

func (r *request) mappedFlow(id string) (*mappedFlow, error) {
	var got struct {
		Items []mappedFlow `json:"items"`
	}
	if err := r.get(flowAPI+"/flows/"+escape(id), nil, &got); err != nil {
		return nil, err
	}
	if len(got.Items) == 0 {
		return nil, errNoFlow
	}
	f := &got.Items[0]
	if len(f.Transformations) > 0 {
		f.Set, f.Version = f.Transformations[0].Params.ID, f.Transformations[0].Params.Version
	}
	return f, nil
}

// account is the id of the account that it reads, empty in drafts.
func (f *mappedFlow) account() string {
	if len(f.Inherited.Sources) == 0 {
		return ""
	}
	return f.Inherited.Sources[0].Base.ID
}

// connected returns a parameter of a source or target connection; empty where
// that is gone or has none.
func (r *request) connected(path, parameter string) (string, error) {
	var got struct {
		Items []struct {
			Params map[string]any `json:"params"`
		} `json:"items"`
	}
	if err := r.get(flowAPI+path, nil, &got); err != nil && !missing(err, http.StatusNotFound) {
		return "", err
	}
	if len(got.Items) == 0 {
		return "", nil
	}
	text, _ := got.Items[0].Params[parameter].(string)
	return text, nil
}

// once says whether the dataflow runs a single time: its mapping stays then.
func (f *mappedFlow) once() bool { return f.Schedule != nil && f.Schedule.Frequency == "once" }

// mappingSet returns a version of a mapping set.
func (r *request) mappingSet(id, version string) (*setDocument, error) {
	if id == "" {
		return nil, gateway.Fail(http.StatusNotFound, "", "", "%s", r.t("The dataflow has no mapping yet."))
	}
	set := &setDocument{}
	return set, r.get(prepAPI+"/mappingSets/"+escape(id), url.Values{"version": {version}}, set)
}

// flowMappingView is the mapping of a dataflow to look at.
type flowMappingView struct {
	Flow  *mappedFlow
	Once  bool
	Rules []rule
}

func (r *request) showFlowMapping() error {
	f, err := r.mappedFlow(r.http.PathValue("flow"))
	if err != nil {
		return err
	}
	v := flowMappingView{Flow: f, Once: f.once()}
	if f.Set != "" {
		set, err := r.mappingSet(f.Set, f.Version)
		if err != nil {
			return err
		}
		v.Rules = set.rules()
	}
	return r.show("mapping_flow", v)
}

// editFlowMapping begins a draft of the mapping of a dataflow.
func (r *request) editFlowMapping() error {
	f, err := r.mappedFlow(r.http.PathValue("flow"))
	if err != nil {
		return err
	}
	if f.once() {
		return gateway.Fail(http.StatusConflict, "", "", "%s", r.t("The mapping of a dataflow that runs once can't be changed. Make a new dataflow with another mapping."))
	}
	if len(f.SourceIDs) == 0 || len(f.TargetIDs) == 0 {
		return gateway.Fail(http.StatusConflict, "", "", "%s", r.t("This dataflow has no source or no target yet, so there is nothing to map."))
	}
	d := draft{Flow: f.ID, Name: f.Name, Connection: f.account(), Set: f.Set, SetVersion: f.Version}
	if d.ResourcePath, err = r.connected("/sourceConnections/"+escape(f.SourceIDs[0]), "resourcePath"); err != nil {
		return err
	}
	if d.Dataset, err = r.connected("/targetConnections/"+escape(f.TargetIDs[0]), "dataSetId"); err != nil {
		return err
	}
	if f.Set != "" {
		set, err := r.mappingSet(f.Set, f.Version)
		if err != nil {
			return err
		}
		d.Rules = set.rules()
		d.number()
	}
	made, err := r.newDraft(d)
	if err != nil {
		return err
	}
	return r.redirect(made.path("mapping"))
}

// saveFlowMapping makes a new version of the mapping set, and has the dataflow use
// it. A dataflow that got another mapping since the draft began is left alone.
func (r *request) saveFlowMapping(e *editor) error {
	d := e.Draft
	f, err := r.mappedFlow(d.Flow)
	if err != nil {
		return err
	}
	if f.Set != d.Set || f.Version != d.SetVersion {
		return r.mappingAgain(e, http.StatusConflict, r.t("The dataflow got another mapping since you began. To lose nothing: export yours as a file, begin again from the dataflow, and import what you need."))
	}
	body := mappingSetBody(d.Name, e.Schema.ID, d.Rules)
	id, method, path := d.Set, http.MethodPost, prepAPI+"/mappingSets"
	if id != "" {
		old, err := r.mappingSet(d.Set, d.SetVersion)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(unnumbered(old.rules()), unnumbered(d.Rules)) {
			return r.leaveMapping(d, "mapping-same")
		}
		method, path = http.MethodPut, path+"/"+escape(id)
		body["name"], body["allowNullValues"], body["strictMapping"] = old.Name, old.Nulls, old.Strict
		if old.Tags != nil {
			body["tags"] = old.Tags
		}
		if old.XDM != nil {
			body["xdmVersion"] = old.XDM
		}
		if old.Ref != nil {
			body["outputSchema"] = map[string]any{"schemaRef": old.Ref}
		}
	}
	var saved struct {
		ID      string `json:"id"`
		Version int    `json:"version"`
	}
	if err := r.send(method, path, body, &saved); err != nil {
		if isFailure(err) {
			return r.mappingAgain(e, http.StatusUnprocessableEntity, r.refusal(err).Text)
		}
		return err
	}
	mapping := map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": saved.ID, "mappingVersion": saved.Version}}
	patch := map[string]any{"op": "replace", "path": "/transformations/0", "value": mapping}
	if id == "" {
		patch = map[string]any{"op": "add", "path": "/transformations", "value": []any{mapping}}
	}
	err = r.call(call{Method: http.MethodPatch, Path: flowAPI + "/flows/" + escape(d.Flow), Header: http.Header{"If-Match": {f.Etag}}, Body: []any{patch}}, nil)
	if err != nil {
		if isFailure(err) {
			return r.mappingAgain(e, http.StatusConflict, r.t("The dataflow was not changed: %s", r.refusal(err).Text))
		}
		return err
	}
	return r.leaveMapping(d, "mapping-changed")
}

// leaveMapping forgets the draft and goes back to its dataflow.
func (r *request) leaveMapping(d *draft, done string) error {
	if err := r.ui.dropDraft(r.Context(), r.Caller, d.ID); err != nil {
		return err
	}
	return r.redirect("/dataflows/" + escape(d.Flow) + "?done=" + done)
}

// unnumbered are rules without what a draft adds to them.
func unnumbered(rules []rule) []rule {
	all := make([]rule, len(rules))
	for i, one := range rules {
		one.N = 0
		if len(one.Kept) == 0 {
			one.Kept = nil
		}
		all[i] = one
	}
	return all
}
