package flow

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/gateway"
)

// A flowBody is a flow as clients write it. What they write besides is passed
// over.
type flowBody struct {
	Name            string           `json:"name"`
	Description     string           `json:"description,omitempty"`
	Spec            *Spec            `json:"flowSpec,omitempty"`
	SourceIDs       []string         `json:"sourceConnectionIds,omitempty"`
	TargetIDs       []string         `json:"targetConnectionIds,omitempty"`
	Transformations []*transformBody `json:"transformations,omitempty"`
	Schedule        json.RawMessage  `json:"scheduleParams,omitempty"`
	Options         json.RawMessage  `json:"options,omitempty"`
	Labels          []string         `json:"labels,omitempty"`
	State           json.RawMessage  `json:"state,omitempty"`
}

type transformBody struct {
	Name   string `json:"name"`
	Params struct {
		MappingID      string `json:"mappingId"`
		MappingVersion any    `json:"mappingVersion"`
	} `json:"params"`
}

// patchable are the members that a patch may reach.
var patchable = []string{"name", "description", "flowSpec", "sourceConnectionIds", "targetConnectionIds", "transformations", "scheduleParams", "options", "labels"}

// body returns a flow as a patch is applied to it.
func (f *Flow) body() any {
	return struct {
		Name            string           `json:"name"`
		Description     string           `json:"description"`
		Spec            Spec             `json:"flowSpec"`
		SourceIDs       []string         `json:"sourceConnectionIds,omitempty"`
		TargetIDs       []string         `json:"targetConnectionIds,omitempty"`
		Transformations []Transformation `json:"transformations,omitempty"`
		Schedule        *Schedule        `json:"scheduleParams,omitempty"`
		Options         *Options         `json:"options,omitempty"`
		Labels          []string         `json:"labels,omitempty"`
	}{f.Name, f.Description, f.Spec, f.SourceIDs, f.TargetIDs, f.Transformations, f.Schedule, f.Options, f.Labels}
}

// decodePatched reads what a patch made of a flow: places in it are no places of
// what the client sent.
func decodePatched(doc []byte) (*flowBody, error) {
	b := new(flowBody)
	err := json.Unmarshal(doc, b)
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, invalid("FLOW-1455-400", kind.Field, "After the patch, a %s would stand at %s, where it is not expected", kind.Value, kind.Field)
	}
	return b, err
}

// take takes over what a body says into a flow: the form of all that is there is
// checked, not whether all is there. old is the schedule that was.
func (f *Flow) take(b *flowBody, old *Schedule, now time.Time) error {
	f.Name, f.Description, f.Labels = strings.TrimSpace(b.Name), b.Description, b.Labels
	if f.Name == "" {
		return lacking("name")
	}
	if b.Spec == nil || !strings.EqualFold(b.Spec.ID, FlowSpec) {
		return invalid("FLOW-1413-400", "flowSpec.id", "flowSpec.id: there is no such flow spec; %s (RestStorageToAEP) is the one for this source", FlowSpec)
	}
	if b.Spec.Version != "" && b.Spec.Version != specVersion {
		return invalid("FLOW-1413-400", "flowSpec.version", "flowSpec.version: the flow spec has the version %s, not %q", specVersion, b.Spec.Version)
	}
	f.Spec = Spec{ID: FlowSpec, Version: specVersion}
	for _, ids := range []struct {
		field string
		list  []string
	}{{"sourceConnectionIds", b.SourceIDs}, {"targetConnectionIds", b.TargetIDs}} {
		if len(ids.list) > 1 {
			return invalid("CONNECTOR-1321-400", ids.field, "%s has %d ids: exactly one is expected", ids.field, len(ids.list))
		}
	}
	f.SourceIDs, f.TargetIDs = b.SourceIDs, b.TargetIDs
	if err := f.takeTransformations(b.Transformations); err != nil {
		return err
	}
	f.Schedule = nil
	if !absent(b.Schedule) {
		var err error
		if f.Schedule, err = readSchedule(b.Schedule, old, now); err != nil {
			return err
		}
	}
	for _, l := range f.Labels {
		if strings.TrimSpace(l) == "" {
			return invalid("FLOW-1455-400", "labels", "labels: a label is empty")
		}
	}
	return f.takeOptions(b.Options)
}

func (f *Flow) takeTransformations(list []*transformBody) error {
	f.Transformations = nil
	for _, b := range list {
		const field = "transformations"
		switch {
		case b == nil:
			return invalid("CONNECTOR-1328-400", field, "transformations: an entry is null")
		case !strings.EqualFold(b.Name, "Mapping"):
			return invalid("CONNECTOR-1374-400", field, "transformations: there is no transformation %q; Mapping is the one", b.Name)
		case len(list) > 1:
			return invalid("CONNECTOR-1374-400", field, "transformations has %d entries: exactly one is expected", len(list))
		}
		t := Transformation{Name: "Mapping"}
		version := int64(0)
		if v := b.Params.MappingVersion; v != nil {
			var ok bool
			if n, is := v.(float64); is { // where the decoder does not keep numbers as they are written
				v = json.Number(strconv.FormatFloat(n, 'f', -1, 64))
			}
			if version, ok = whole(v); !ok || version < 0 || version > 1<<31-1 {
				return invalid("FLOW-1412-400", "mappingVersion", "mappingVersion: %v is not the number of a version", v)
			}
		}
		t.Params.MappingID, t.Params.MappingVersion = strings.ToLower(b.Params.MappingID), strconv.FormatInt(version, 10)
		if raw, err := hex.DecodeString(t.Params.MappingID); err != nil || len(raw) != 16 {
			return badMapping(t, "an id of 32 hexadecimal digits is expected")
		}
		f.Transformations = append(f.Transformations, t)
	}
	return nil
}

// badMapping says what is wrong with the mapping set that a flow names.
func badMapping(t Transformation, what string) *gateway.Failure {
	return invalid("FLOW-1419-400", "mappingId", "The mapping with id %q and version %s could not be validated: %s", t.Params.MappingID, t.Params.MappingVersion, what)
}

func (f *Flow) takeOptions(raw json.RawMessage) error {
	f.Options = nil
	m, err := members(raw, "options")
	if err != nil || absent(raw) {
		return err
	}
	o := &Options{}
	if v := m[partialPercent]; v != nil {
		text, _ := scalar(v)
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.ContainsAny(text, "xX_") || !(n > 0 && n <= 100) {
			return invalid("CONNECTOR-1312-400", "options."+partialPercent, "options.%s: %v is not a number above 0 and up to 100", partialPercent, v)
		}
		o.PartialPercent = &n
	}
	if v := m[diagnostics]; v != nil {
		b, ok := boolean(v)
		if !ok {
			return invalid("CONNECTOR-1312-400", "options."+diagnostics, "options.%s: %v is neither true nor false", diagnostics, v)
		}
		o.Diagnostics = &b
	}
	if o.PartialPercent != nil {
		// Who lets records fail wants to be told which.
		yes := true
		o.Diagnostics = &yes
	}
	for name, v := range m {
		if name == partialPercent || name == diagnostics {
			continue
		}
		if o.Others == nil {
			o.Others = map[string]json.RawMessage{}
		}
		if o.Others[name], err = json.Marshal(v); err != nil {
			return err
		}
	}
	f.Options = o
	return nil
}

// complete says what a flow lacks that is to run, and fills in the schedule of
// one that has none: once, now.
func (f *Flow) complete(now time.Time) error {
	switch {
	case len(f.SourceIDs) == 0:
		return invalid("CONNECTOR-1320-400", "sourceConnectionIds", "sourceConnectionIds is empty: the id of a source connection is expected")
	case len(f.TargetIDs) == 0:
		return invalid("CONNECTOR-1320-400", "targetConnectionIds", "targetConnectionIds is empty: the id of a target connection is expected")
	case len(f.Transformations) == 0:
		return invalid("CONNECTOR-1370-400", "transformations", "Mapping transformation is missing: data of this source needs a mapping set")
	}
	if f.Schedule == nil {
		f.Schedule = &Schedule{Start: strconv.FormatInt(now.Unix(), 10), Frequency: once}
	}
	return nil
}
