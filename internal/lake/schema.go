package lake

import (
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

var (
	typeString    = iceberg.PrimitiveTypes.String
	typeLong      = iceberg.PrimitiveTypes.Int64
	typeDouble    = iceberg.PrimitiveTypes.Float64
	typeBoolean   = iceberg.PrimitiveTypes.Bool
	typeInt       = iceberg.PrimitiveTypes.Int32
	typeDate      = iceberg.PrimitiveTypes.Date
	typeTimestamp = iceberg.PrimitiveTypes.TimestampTz // microseconds, UTC
)

// historySchema describes the table that keeps every version of every object.
func historySchema() *iceberg.Schema {
	var n numbering
	return iceberg.NewSchema(0,
		n.required("id", typeString, "id of the Stripe object"),
		n.required("seq", typeLong, "order of landing, strictly increasing"),
		n.required("op", typeString, "upsert, delete, or seen: an event's own snapshot, never applied"),
		n.required("seen_at", typeTimestamp, "Stripe's time when the request that read the object began"),
		n.required("source", typeString, "backfill, event, webhook, reconcile or reference"),
		n.required("run_id", typeString, "the run that landed it"),
		n.required("account", typeString, "acct_…, empty when unknown"),
		n.optional("livemode", typeBoolean, "false for test data"),
		n.required("api_version", typeString, "Stripe-Version that rendered the object"),
		n.required("hash", typeString, "of the object's content, 32 hex digits"),
		n.required("created", typeLong, "the object's created, Unix seconds"),
		n.required("raw", typeString, "the object as JSON, after privacy rules"),
	)
}

// datasetSchema describes the table of the latest state of s's resource: our
// own columns and the XDM record. Everything of the record is optional, so
// that fields can be added to and dropped from what Stripe sends.
func datasetSchema(s *xdm.Schema) (*iceberg.Schema, error) {
	var n numbering
	id := n.required(colID, typeString, "id of the Stripe object")
	fields := []iceberg.NestedField{
		id,
		n.required(colSeq, typeLong, "seq of this state in the history"),
		n.required(colHash, typeString, "of the object's content, 32 hex digits"),
		n.optional(colCreated, typeTimestamp, "when the object was created"),
		n.optional(colReadAt, typeTimestamp, "Stripe's time when this state was read"),
		n.optional(colAccount, typeString, "acct_…"),
		n.optional(colLivemode, typeBoolean, "false for test data"),
		n.optional(colAPIVersion, typeString, "Stripe-Version that rendered the object"),
		n.required(colDeleted, typeBoolean, "the object is gone; its last state is kept"),
		n.optional(colDeletedAt, typeTimestamp, "when it was found to be gone"),
	}
	data, err := n.structOf(s.Group, s.Fields)
	if err != nil {
		return nil, fmt.Errorf("schema of %s: %w", s.Resource, err)
	}
	group := n.optional(s.Group, data, s.Title)
	tenant := &iceberg.StructType{FieldList: []iceberg.NestedField{group}}
	fields = append(fields, n.optional("_"+s.Tenant, tenant, ""))
	return iceberg.NewSchemaWithIdentifiers(0, []int{id.ID}, fields...), nil
}

// numbering hands out field ids. New tables number their fields afresh; the
// ids here only have to differ.
type numbering int

func (n *numbering) next() int { *n++; return int(*n) }

func (n *numbering) required(name string, t iceberg.Type, doc string) iceberg.NestedField {
	return iceberg.NestedField{ID: n.next(), Name: name, Type: t, Required: true, Doc: doc}
}

func (n *numbering) optional(name string, t iceberg.Type, doc string) iceberg.NestedField {
	return iceberg.NestedField{ID: n.next(), Name: name, Type: t, Doc: doc}
}

func (n *numbering) structOf(name string, fields []*xdm.Field) (iceberg.Type, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("object %s has no fields", name)
	}
	list := make([]iceberg.NestedField, len(fields))
	for i, f := range fields {
		t, err := n.typeOf(f)
		if err != nil {
			return nil, err
		}
		list[i] = n.optional(f.Name, t, f.Description)
	}
	return &iceberg.StructType{FieldList: list}, nil
}

func (n *numbering) typeOf(f *xdm.Field) (iceberg.Type, error) {
	switch f.Kind {
	case xdm.String:
		return typeString, nil
	case xdm.Long:
		return typeLong, nil
	case xdm.Double:
		return typeDouble, nil
	case xdm.Boolean:
		return typeBoolean, nil
	case xdm.Object:
		return n.structOf(f.Name, f.Fields)
	case xdm.Int, xdm.Short, xdm.Byte:
		return typeInt, nil
	case xdm.Date:
		return typeDate, nil
	case xdm.DateTime:
		return typeTimestamp, nil
	case xdm.Array, xdm.Map:
	}
	if f.Elem == nil {
		return nil, fmt.Errorf("field %s has no element", f.Name)
	}
	elem, err := n.typeOf(f.Elem)
	if err != nil {
		return nil, err
	}
	if f.Kind == xdm.Map {
		return &iceberg.MapType{KeyID: n.next(), KeyType: typeString, ValueID: n.next(), ValueType: elem}, nil
	}
	return &iceberg.ListType{ElementID: n.next(), Element: elem}, nil
}

// grown reports whether want has optional fields that have lacks, and refuses
// every other difference.
func grown(have, want *iceberg.Schema) (bool, error) {
	return grownFields("", have.Fields(), want.Fields())
}

func grownFields(path string, have, want []iceberg.NestedField) (bool, error) {
	more := false
	for _, w := range want {
		i := slices.IndexFunc(have, func(h iceberg.NestedField) bool { return h.Name == w.Name })
		switch {
		case i < 0 && w.Required:
			return false, misfit(path+w.Name, "is required and the table lacks it")
		case i < 0:
			more = true
		case have[i].Required != w.Required:
			return false, misfit(path+w.Name, "is required in one of the two only")
		default:
			m, err := grownType(path+w.Name, have[i].Type, w.Type)
			if err != nil {
				return false, err
			}
			more = more || m
		}
	}
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w iceberg.NestedField) bool { return h.Name == w.Name }) {
			return false, misfit(path+h.Name, "is in the table and not in the schema")
		}
	}
	return more, nil
}

func grownType(path string, have, want iceberg.Type) (bool, error) {
	switch h := have.(type) {
	case *iceberg.StructType:
		if w, ok := want.(*iceberg.StructType); ok {
			return grownFields(path+".", h.FieldList, w.FieldList)
		}
	case *iceberg.ListType:
		if w, ok := want.(*iceberg.ListType); ok {
			return grownType(path+"[]", h.Element, w.Element)
		}
	case *iceberg.MapType:
		if w, ok := want.(*iceberg.MapType); ok {
			return grownType(path+"{}", h.ValueType, w.ValueType)
		}
	default:
		if have.Equals(want) {
			return false, nil
		}
	}
	return false, misfit(path, fmt.Sprintf("is %s in the table and %s in the schema", have.Type(), want.Type()))
}

func misfit(path, what string) error {
	return &problem.Error{
		Kind:   problem.Conflict,
		Detail: "field " + path + " " + what,
		Advice: "The table was written by another version of tributary: use that one, or a new directory",
	}
}
