package flow_test

import (
	"bytes"
	"fmt"
	"net/url"
	"testing"
)

// fuzzBody sends bodies to a collection: what is taken can be read, and never
// shows the key; what is not is refused with words.
func fuzzBody(f *testing.F, collection string, r *rig, seeds ...string) {
	for _, s := range seeds {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, body string, draft bool) {
		s := r.With(t)
		mode := ""
		if draft {
			mode = "?mode=draft"
		}
		made := s.Do("POST", root+collection+mode, body)
		if !sane(t, made, 201) {
			return
		}
		path := root + collection + "/" + fmt.Sprint(made.JSON(t).(map[string]any)["id"])
		read := s.Do("GET", path, nil)
		if read.Status != 200 || bytes.Contains(read.Body, []byte(goodKey)) {
			t.Fatalf("%s became %d %s", body, read.Status, read.Body)
		}
		// A name that is as it was is always taken.
		item := read.JSON(t).(map[string]any)["items"].([]any)[0].(map[string]any)
		patched := s.Do("PATCH", path, []any{map[string]any{"op": "replace", "path": "/name", "value": item["name"]}}, "If-Match", fmt.Sprint(item["etag"]))
		if patched.Status != 200 {
			t.Fatalf("%s: %d %s", body, patched.Status, patched.Body)
		}
		// A patch from outside may fail, not break.
		sane(t, s.Do("PATCH", path, body, "If-Match", "*"), 200)
		if collection != "/connections" || draft {
			sane(t, s.Do("POST", path+"/action?op=publish", nil), 200)
		}
		if got := s.Do("DELETE", path, nil); got.Status != 204 {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
	})
}

func FuzzConnection(f *testing.F) {
	r := newRig(f)
	r.svc.VerifyOnCreate = false
	fuzzBody(f, "/connections", r, connectionWith(goodKey), `{"name": "Later"}`, connectionWith(goodKey, `"a": {"b": [null, 1e400]}`, `"clientId": "sk_live_abcdefghij1"`),
		`[{"op": "replace", "path": "/auth/params", "value": {"accessToken": "`+goodKey+`"}}]`, `{"name": "a", "auth": null, "connectionSpec": null, "labels": [""]}`)
}

func FuzzSourceConnection(f *testing.F) {
	r := newRig(f)
	id, _ := r.made("/connections", connectionWith(goodKey))
	fuzzBody(f, "/sourceConnections", r, sourceOn(id), `{"name": "Later", "data": {"format": "json", "schema": {"id": "x", "more": 1}}}`, with(f, sourceOn(id), "params.resourcePath", `"/v1/prices"`, "data.properties", `[1e999]`))
}

func FuzzTargetConnection(f *testing.F) {
	r := newRig(f)
	fuzzBody(f, "/targetConnections", r, targetOn(mine), `{"name": "Later", "params": {"dataSetId": ""}}`, with(f, targetOn(mine), "data.schema", `{"id": ""}`))
}

// Whatever is sent as sourceParams, the answer is a structure or a refusal.
func FuzzExplore(f *testing.F) {
	for _, s := range []string{"eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0=", "e30", "bnVsbA", "%", "eyJyZXNvdXJjZVBhdGgiOiJcdTAwMDAifQ", "  ==  "} {
		f.Add("rest", "json", "false", s)
	}
	f.Add("ROOT", "", "", "")
	f.Add("TABLE", "XML", "yes", "e30")
	r := newRig(f)
	id, _ := r.made("/connections", connectionWith(goodKey))
	f.Fuzz(func(t *testing.T, object, file, preview, params string) {
		q := url.Values{"objectType": {object}, "fileType": {file}, "preview": {preview}, "sourceParams": {params}}
		sane(t, r.With(t).Do("GET", root+"/connections/"+id+"/explore?"+q.Encode(), nil), 200)
	})
}
