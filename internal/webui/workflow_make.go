package webui

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// make makes an object, unless an earlier try has made it of the same body. One
// that an earlier try made of another body is removed.
func (r *request) make(d *draft, what string, body any) (id string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(text)
	sum := hex.EncodeToString(digest[:])
	if old := d.Made[what]; old.ID != "" {
		there, err := r.there(what, old.ID)
		if err != nil || there && old.Sum == sum {
			return old.ID, err
		}
		if there {
			if err := r.remove(what, old.ID); err != nil {
				return "", err
			}
		}
	}
	var answer json.RawMessage
	header := http.Header{}
	if what == madeSchema {
		header.Set("Accept", "application/vnd.adobe.xed+json; version=1")
	}
	if err := r.call(call{Method: http.MethodPost, Path: madeIn[what], Body: text, Header: header}, &answer); err != nil {
		return "", err
	}
	if id, err = madeID(what, answer); err != nil {
		return "", err
	}
	now, err := r.changeDraft(func(d *draft) error {
		if d.Made == nil {
			d.Made = map[string]made{}
		}
		d.Made[what] = made{ID: id, Sum: sum}
		return nil
	})
	if err != nil {
		return "", err
	}
	d.Made = now.Made
	return id, nil
}

// madeID finds the id in the answer to a creation.
func madeID(what string, answer json.RawMessage) (string, error) {
	if what == madeDataset {
		var ids []string
		if err := json.Unmarshal(answer, &ids); err != nil || len(ids) != 1 {
			return "", fmt.Errorf("the new dataset: %s", answer)
		}
		return strings.TrimPrefix(ids[0], "@/dataSets/"), nil
	}
	var one struct {
		ID     string `json:"id"`
		Schema string `json:"$id"`
	}
	err := json.Unmarshal(answer, &one)
	return one.ID + one.Schema, err
}

// there says whether an object is still there.
func (r *request) there(what, id string) (bool, error) {
	header := http.Header{}
	if what == madeSchema {
		header.Set("Accept", "application/vnd.adobe.xed+json; version=1")
	}
	err := r.call(call{Path: madeIn[what] + "/" + escape(id), Header: header}, nil)
	if missing(err, http.StatusNotFound) {
		return false, nil
	}
	return err == nil, err
}

// remove removes an object. Mapping sets stay: Data Prep keeps what was made.
func (r *request) remove(what, id string) error {
	if what == madeMapping {
		return nil
	}
	err := r.send(http.MethodDelete, madeIn[what]+"/"+escape(id), nil, nil)
	if missing(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// unmake removes what an interrupted last step made, the newest first.
func (r *request) unmake(d *draft) error {
	var all error
	for _, what := range []string{madeTarget, madeSource, madeDataset, madeSchema} {
		if one := d.Made[what]; one.ID != "" {
			all = errors.Join(all, r.remove(what, one.ID))
		}
	}
	return all
}

// makeSchema makes a schema of the template of the draft's resource: of the
// class and the field group that the sandbox began with.
func (r *request) makeSchema(d *draft) (string, error) {
	class, err := r.registered("classes", "Stripe object")
	if err != nil {
		return "", err
	}
	group, err := r.registered("fieldgroups", resourceAt(d.ResourcePath).Template)
	if err != nil {
		return "", err
	}
	return r.make(d, madeSchema, map[string]any{
		"type": "object", "title": d.DatasetName, "description": d.DatasetDescription,
		"allOf": []any{map[string]any{"$ref": class}, map[string]any{"$ref": group}},
	})
}

// registered returns the $id of a class or a field group by its title.
func (r *request) registered(collection, title string) (string, error) {
	var got struct {
		Results []struct {
			ID    string `json:"$id"`
			Title string `json:"title"`
		} `json:"results"`
	}
	err := r.call(call{Path: registryAPI + "/tenant/" + collection, Header: http.Header{"Accept": {"application/vnd.adobe.xed-id+json"}}}, &got)
	for _, one := range got.Results {
		if one.Title == title {
			return one.ID, nil
		}
	}
	if err == nil {
		err = gateway.Fail(http.StatusNotFound, "", "", "%s", r.t("%q is not in the Schema Registry any more. Go back to the step before the mapping, and choose a schema that is there.", title))
	}
	return "", err
}
