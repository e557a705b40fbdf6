package webui

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// dataView is what the step shows in which data is selected.
type dataView struct {
	Draft     *draft
	Steps     []stepView
	Resources []stripeResource
	Resource  string
	Preview   *sourcePreview
	Faults    formFaults
}

func (r *request) showData() error {
	d, ok, err := r.enter("data")
	if err != nil || !ok {
		return err
	}
	v := &dataView{Draft: d, Steps: d.steps("data"), Resources: stripeResources, Resource: r.query("resource")}
	if v.Resource == "" {
		v.Resource = d.ResourcePath
	}
	if v.Resource != "" {
		if v.Preview, err = r.explore(d.Connection, v.Resource); err != nil {
			v.Faults = formFaults{r.fault(err)}
		}
	}
	if r.partial() {
		return r.part("workflow_data", "preview", v)
	}
	return r.show("workflow_data", v)
}

func (r *request) selectData() error {
	d, ok, err := r.enter("data")
	if err != nil || !ok {
		return err
	}
	path := r.form("resource")
	if resourceAt(path).Template == "" {
		return r.again("workflow_data", "main", &dataView{
			Draft: d, Steps: d.steps("data"), Resources: stripeResources, Faults: formFaults{{"resource", r.t("Choose what to read.")}},
		})
	}
	d, err = r.changeDraft(func(d *draft) error {
		if d.ResourcePath == path {
			return nil
		}
		// What was said of the target belongs to other data.
		d.ResourcePath, d.Dataset, d.Schema, d.DatasetName, d.Name, d.Profile = path, "", "", "", "", false
		d.unmap()
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(d.path("detail"))
}

// unmap forgets the mapping, as its source or its target is another one.
func (d *draft) unmap() { d.Rules, d.Mapped, d.Edits = nil, false, d.Edits+1 }

// A sourcePreview is what a resource looks like, and its newest objects.
type sourcePreview struct {
	Columns []string
	Rows    [][]string
	Tree    []previewNode
}

// A previewNode is a field of the source.
type previewNode struct {
	Name   string
	Type   string
	Fields []previewNode
}

// previewRows is how many objects are shown at most.
const previewRows = 100

// explore asks the source.
func (r *request) explore(connection, path string) (*sourcePreview, error) {
	var got struct {
		Schema *jsondoc.Object `json:"schema"`
		Data   []struct {
			Data jsondoc.Object `json:"data"`
		} `json:"data"`
	}
	if err := r.get(flowAPI+"/connections/"+escape(connection)+"/explore", exploring(path), &got); err != nil {
		return nil, err
	}
	p := &sourcePreview{Tree: previewTree(got.Schema)}
	rows := got.Data[:min(len(got.Data), previewRows)]
	for _, row := range rows {
		for name := range row.Data.All() {
			if !slices.Contains(p.Columns, name) {
				p.Columns = append(p.Columns, name)
			}
		}
	}
	for _, row := range rows {
		cells := make([]string, len(p.Columns))
		for i, name := range p.Columns {
			cells[i] = previewCell(row.Data.Get(name))
		}
		p.Rows = append(p.Rows, cells)
	}
	return p, nil
}

// previewTree makes a tree of a structure as explore tells it: the members of
// properties, and of the items of arrays.
func previewTree(o *jsondoc.Object) []previewNode {
	if o == nil {
		return nil
	}
	if items := o.Object("items"); items != nil {
		return previewTree(items)
	}
	properties := o.Object("properties")
	if properties == nil {
		return nil
	}
	var all []previewNode
	for name, v := range properties.All() {
		n := previewNode{Name: name}
		if field, ok := v.(*jsondoc.Object); ok {
			n.Type, n.Fields = field.Text("type"), previewTree(field)
		}
		all = append(all, n)
	}
	return all
}

// previewCell is a value in a cell: what is longer than a line of it is cut.
func previewCell(v any) string {
	const most = 80
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		text = v
	case json.Number, bool:
		text = fmt.Sprint(v)
	default:
		b, err := jsondoc.Marshal(v)
		if err != nil {
			return ""
		}
		text = string(b)
	}
	if short := []rune(text); len(short) > most {
		return string(short[:most]) + "…"
	}
	return text
}
