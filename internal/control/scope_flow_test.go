package control_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
)

// parts are the ids of what a dataflow is made of.
type parts struct{ connection, dataset, source, target, mapping, flow, run string }

// parts makes one of each.
func (c client) parts(name string) parts {
	c.t.Helper()
	schema := c.schema("Stripe Refunds")
	p := parts{connection: c.connection(name, "sk_test_"+name), dataset: c.dataset("of "+name, schema), mapping: c.mapping("refunds", schema).(string)}
	p.source, p.target = c.source(name, p.connection), c.target(name, p.dataset)
	p.flow = c.must(201, "POST", flowservice+"/flows", flowBody(name, p.source, p.target, p.mapping, tomorrow())).json(c.t)["id"].(string)
	p.run = c.must(201, "POST", flowservice+"/runs", map[string]any{"flowId": p.flow}).json(c.t)["id"].(string)
	return p
}

// uses are calls that name parts of somebody. which says, by its bits, which parts
// of a new dataflow are theirs: source, target and mapping.
func (c client) uses(mine, theirs parts, which int) map[string]func() reply {
	return map[string]func() reply{
		"a source's connection": func() reply {
			return c.do("POST", flowservice+"/sourceConnections", map[string]any{
				"name": "x", "baseConnectionId": theirs.connection, "connectionSpec": map[string]any{"id": stripeSpec}, "data": map[string]any{"format": "json"}, "params": map[string]any{"resourcePath": "refunds"},
			})
		},
		"a target's dataset": func() reply {
			return c.do("POST", flowservice+"/targetConnections", map[string]any{
				"name": "x", "connectionSpec": map[string]any{"id": dataLakeSpec}, "data": map[string]any{"format": "parquet_xdm"}, "params": map[string]any{"dataSetId": theirs.dataset},
			})
		},
		"a part of a new flow": func() reply {
			mixed := mine
			if which&1 != 0 {
				mixed.source = theirs.source
			}
			if which&2 != 0 {
				mixed.target = theirs.target
			}
			if which&4 != 0 {
				mixed.mapping = theirs.mapping
			}
			return c.do("POST", flowservice+"/flows", flowBody("x", mixed.source, mixed.target, mixed.mapping, tomorrow()))
		},
		"the mapping of a flow of mine": func() reply {
			return c.do("PATCH", flowservice+"/flows/"+mine.flow, fmt.Sprint(`[{"op":"replace","path":"/transformations/0/params/mappingId","value":"`, theirs.mapping, `"}]`), "If-Match", "*")
		},
		"the dataset of a target of mine": func() reply {
			return c.do("PATCH", flowservice+"/targetConnections/"+mine.target, fmt.Sprint(`[{"op":"replace","path":"/params/dataSetId","value":"`, theirs.dataset, `"}]`), "If-Match", "*")
		},
		"the connection of a source of mine": func() reply {
			return c.do("PATCH", flowservice+"/sourceConnections/"+mine.source, fmt.Sprint(`[{"op":"replace","path":"/baseConnectionId","value":"`, theirs.connection, `"}]`), "If-Match", "*")
		},
		"a flow to run": func() reply { return c.do("POST", flowservice+"/runs", map[string]any{"flowId": theirs.flow}) },
		"a flow to change": func() reply {
			return c.do("PATCH", flowservice+"/flows/"+theirs.flow, `[{"op":"replace","path":"/name","value":"taken"}]`, "If-Match", "*")
		},
		"a run to do again": func() reply {
			return c.do("POST", flowservice+"/runs/"+theirs.run+"/action?op=re-trigger", nil, "If-Match", "*")
		},
	}
}

// Nothing of another sandbox or organisation can be a part of a dataflow, or be
// run or searched for, however it is named.
func TestNothingForeignInFlows(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		p := start(t, t.TempDir(), database)
		operator, err := p.Access.Operator(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Access.CreateSandbox(t.Context(), operator, "dev", "Development", "development"); err != nil {
			t.Fatal(err)
		}
		org, err := p.Access.CreateOrganisation(t.Context(), "elsewhere")
		if err != nil {
			t.Fatal(err)
		}
		var clients []client
		var made []parts
		for i, at := range []struct{ org, sandbox string }{{operator.Org, "prod"}, {operator.Org, "dev"}, {org, "prod"}} {
			sandbox, err := p.Access.Sandbox(t.Context(), at.org, at.sandbox, "")
			if err != nil {
				t.Fatal(err)
			}
			caller, err := p.Access.OperatorIn(t.Context(), at.org, sandbox.ID)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, p.integration(t, caller, access.Permissions...))
			made = append(made, clients[i].parts(fmt.Sprint("of", i)))
		}
		for i, c := range clients {
			for c.runStatus(made[i].run) == "inProgress" {
				time.Sleep(10 * time.Millisecond)
			}
		}
		rapid.Check(t, func(rt *rapid.T) {
			i := rapid.IntRange(0, len(clients)-1).Draw(rt, "client")
			other := (i + rapid.IntRange(1, len(clients)-1).Draw(rt, "other")) % len(clients)
			c, mine, theirs := clients[i], made[i], made[other]
			which := rapid.IntRange(1, 7).Draw(rt, "which parts")
			uses := c.uses(mine, theirs, which)
			use := rapid.SampledFrom(slices.Sorted(maps.Keys(uses))).Draw(rt, "use")
			if r := uses[use](); r.status < 400 || r.status >= 500 {
				rt.Fatalf("%s: %d %s", use, r.status, r.body)
			}
			for query, want := range map[string]string{
				"/runs?property=flowId==" + theirs.flow:                 "",
				"/runs?property=id==" + theirs.run:                      "",
				"/flows?property=id==" + theirs.flow:                    "",
				"/flows?property=sourceConnectionIds==" + theirs.source: "",
				"/flows?property=id==" + mine.flow:                      mine.flow,
				"/runs?property=flowId==" + mine.flow:                   mine.run,
			} {
				r := c.must(200, "GET", flowservice+query, nil)
				items := r.json(c.t)["items"].([]any)
				if (len(items) > 0) != (want != "") || !strings.Contains(string(r.body), want) {
					rt.Fatalf("%s: %s", query, r.body)
				}
			}
		})
		for i, c := range clients { // as it was, and not refused for anything else
			m := made[i]
			flow := c.must(200, "GET", flowservice+"/flows/"+m.flow, nil).body
			if !strings.Contains(string(flow), fmt.Sprint(`"of`, i, `"`)) || !strings.Contains(string(flow), m.mapping) || len(c.must(200, "GET", flowservice+"/flows/"+m.flow+"/runs", nil).json(t)["items"].([]any)) != 1 {
				t.Errorf("%s", flow)
			}
			for use, call := range c.uses(m, m, 7) {
				if r := call(); r.status >= 400 {
					t.Errorf("%s, of its own: %d %s", use, r.status, r.body)
				}
				for c.must(200, "GET", flowservice+"/runs?property=metrics.statusSummary.status==inProgress&count=true", nil).json(t)["count"] != 0.0 {
					time.Sleep(10 * time.Millisecond) // one run at a time
				}
			}
		}
	})
}
