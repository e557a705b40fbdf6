package webui

import (
	"strconv"
	"strings"
	"time"
)

// What the last step makes, in this order. Each is told the ids of those before
// it.
const (
	madeSchema  = "schema"
	madeDataset = "dataset"
	madeSource  = "source connection"
	madeTarget  = "target connection"
	madeMapping = "mapping set"
	madeFlow    = "dataflow"
	madeAlerts  = "alert subscription"
)

var _ = words("schema", "dataset", "source connection", "target connection", "mapping set", "dataflow", "alert subscription")

// paths of collections, by what is in them.
var madeIn = map[string]string{
	madeSchema: registryAPI + "/tenant/schemas", madeDataset: catalogAPI + "/dataSets", madeSource: flowAPI + "/sourceConnections", madeTarget: flowAPI + "/targetConnections",
	madeMapping: prepAPI + "/mappingSets", madeFlow: flowAPI + "/flows", madeAlerts: alertAPI + "/subscriptions",
}

const alertAPI = "/data/infrastructure/observability/alerts"

// contentType names the major version of a schema.
const contentType = "application/vnd.adobe.xed-full+json;version=1"

// finishWait is how long a last step may take before another try is let in.
const finishWait = 2 * time.Minute

// finish makes the dataflow. When something in the middle is refused, the draft
// knows what was made, and the next try goes on from there; what was made of a
// draft that was changed meanwhile gives way.
func (r *request) finish() error {
	if _, ok, err := r.enter("review"); err != nil || !ok {
		return err
	}
	busy := false
	now := r.ui.Now().UnixMilli()
	d, err := r.changeDraft(func(d *draft) error {
		if busy = now-d.Busy < finishWait.Milliseconds(); !busy {
			d.Busy = now
		}
		return nil
	})
	if err != nil {
		return err
	}
	if busy {
		return r.reviewAgain(d, r.t("The dataflow is being made already. Look at it under Sources in a moment."))
	}
	what, failure := r.makeAll(d)
	if failure == nil {
		id := d.Made[madeFlow].ID
		if err := r.ui.dropDraft(r.Context(), r.Caller, d.ID); err != nil {
			return err
		}
		return r.redirect("/dataflows/" + escape(id))
	}
	why := r.refusal(failure).Text
	if d, err = r.changeDraft(func(d *draft) error { d.Busy = 0; return nil }); err != nil {
		return err
	}
	if d.Made[madeFlow].ID != "" {
		return r.reviewAgain(d, r.t("The dataflow was made, but not its %s: %s Finish goes on from there.", r.t(what), sentence(why)))
	}
	return r.reviewAgain(d, r.t("The %s could not be made: %s What was made before it is kept, and Finish goes on from there.", r.t(what), sentence(why)))
}

// sentence ends a text with a full stop.
func sentence(text string) string {
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}

// makeAll makes what was not made yet, and says at what it failed.
func (r *request) makeAll(d *draft) (at string, err error) {
	schema := d.Schema
	if d.Dataset != "" {
		set, err := r.dataset(d.Dataset)
		if err != nil {
			return madeDataset, err
		}
		schema = set.SchemaID
	}
	if schema == templatePrefix+d.ResourcePath {
		if schema, err = r.makeSchema(d); err != nil {
			return madeSchema, err
		}
	}
	dataset := d.Dataset
	if dataset == "" {
		if dataset, err = r.make(d, madeDataset, d.datasetBody(schema)); err != nil {
			return madeDataset, err
		}
	}
	source, err := r.make(d, madeSource, map[string]any{
		"name": d.Name, "description": d.Description, "baseConnectionId": d.Connection, "connectionSpec": spec(stripeSpec),
		"data": map[string]any{"format": "json"}, "params": map[string]any{"resourcePath": d.ResourcePath},
	})
	if err != nil {
		return madeSource, err
	}
	target, err := r.make(d, madeTarget, map[string]any{
		"name": d.Name, "description": d.Description, "connectionSpec": spec(dataLakeSpec),
		"data":   map[string]any{"format": "parquet_xdm", "schema": map[string]any{"id": schema, "version": contentType}},
		"params": map[string]any{"dataSetId": dataset},
	})
	if err != nil {
		return madeTarget, err
	}
	mapping, err := r.make(d, madeMapping, mappingSetBody(d.Name, schema, d.Rules))
	if err != nil {
		return madeMapping, err
	}
	flow, err := r.make(d, madeFlow, d.flowBody(source, target, mapping))
	if err != nil {
		return madeFlow, err
	}
	if len(d.Alerts) > 0 {
		if _, err = r.make(d, madeAlerts, subscriptionBody(d.Name, flow, d.Alerts)); err != nil {
			return madeAlerts, err
		}
	}
	return "", nil
}

func spec(id string) map[string]any { return map[string]any{"id": id, "version": "1.0"} }

func (d *draft) datasetBody(schema string) map[string]any {
	body := map[string]any{
		"name": d.DatasetName, "description": d.DatasetDescription, "schemaRef": map[string]any{"id": schema, "contentType": contentType},
		"fileDescription": map[string]any{"format": "parquet"}, "enableErrorDiagnostics": d.Diagnostics,
	}
	if d.Profile {
		body["tags"] = map[string]any{"unifiedProfile": []string{"enabled:true"}}
	}
	return body
}

// mappingSetBody is a mapping set as Data Prep takes it.
func mappingSetBody(name, schema string, rules []rule) map[string]any {
	mappings := []any{}
	for _, one := range rules {
		mappings = append(mappings, one.body())
	}
	return map[string]any{
		"name": name, "outputSchema": map[string]any{"schemaRef": map[string]any{"id": schema, "contentType": contentType}}, "mappings": mappings,
	}
}

func (d *draft) flowBody(source, target, mapping string) map[string]any {
	times := map[string]any{"frequency": d.Frequency}
	if d.Start > 0 {
		times["startTime"] = strconv.FormatInt(d.Start, 10)
	}
	if d.Frequency != "once" {
		times["interval"], times["backfill"] = d.Interval, d.Backfill
	}
	body := map[string]any{
		"name": d.Name, "description": d.Description, "flowSpec": spec(flowSpecID), "sourceConnectionIds": []string{source}, "targetConnectionIds": []string{target},
		"transformations": []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mapping, "mappingVersion": 0}}},
		"scheduleParams":  times,
	}
	options := map[string]any{}
	if d.Diagnostics {
		options["errorDiagnosticsEnabled"] = true
	}
	if d.Partial {
		options["partialIngestionPercent"] = d.Threshold
	}
	if len(options) > 0 {
		body["options"] = options
	}
	return body
}

// subscriptionBody asks for notices about a dataflow.
func subscriptionBody(name, flow string, kinds []string) map[string]any {
	const most = 100
	title := []rune(strings.Join(strings.Fields(name), " "))
	return map[string]any{"name": string(title[:min(len(title), most)]), "channel": "app", "kinds": kinds, "flows": []string{flow}, "everyRun": true}
}
