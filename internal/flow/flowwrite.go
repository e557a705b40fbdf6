package flow

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/problem"
)

// createFlow makes a flow, or a draft of one.
func (s *Service) createFlow(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	draft := false
	if mode := call.HTTP.URL.Query().Get("mode"); mode != "" {
		if draft = strings.EqualFold(mode, Draft); !draft {
			return nil, invalid("CONNECTOR-1368-400", "mode", "mode=%s: draft is the one mode that there is", mode)
		}
	}
	f, err := readNewFlow(call, draft, s.Now())
	if err != nil {
		return nil, err
	}
	for again := true; again; again = errors.Is(err, docstore.ErrStale) {
		if err := s.fits(ctx, call.Caller, f); err != nil {
			return nil, err
		}
		err = s.DB.Do(ctx, func(t *docstore.Tx) error { return s.putNewFlow(t, call.Caller, f) })
	}
	if err != nil {
		return nil, err
	}
	s.hint(ctx)
	a := gateway.Created(base+"/flows/"+f.ID, f.written())
	a.Header.Set("ETag", f.Etag)
	return a, nil
}

func (s *Service) putNewFlow(t *docstore.Tx, c access.Caller, f *Flow) error {
	if err := confirm(t, scope(c), f); err != nil {
		return err
	}
	if err := s.born(c, &f.Item); err != nil {
		return err
	}
	f.Last = operation("create", s.Now())
	if err := putFlow(t, scope(c), docstore.Doc{}, f); err != nil || f.State == Draft {
		return err
	}
	return s.schedule(t, f)
}

func readNewFlow(call *gateway.Call, draft bool, now time.Time) (*Flow, error) {
	body, err := call.Bytes()
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(body)); text == "" || text == "null" {
		return nil, invalid("FLOW-1405-400", "", "The body is empty: a flow is expected")
	}
	var b flowBody
	if err := gateway.DecodeJSON(body, &b); err != nil {
		return nil, err
	}
	if !absent(b.State) {
		return nil, invalid("FLOW-1410-400", "state", "The state of a flow can't be given when it is made: mode=draft makes a draft, and actions change it")
	}
	f := &Flow{}
	if err := f.take(&b, nil, now); err != nil {
		return nil, err
	}
	f.State = Draft
	if draft {
		return f, nil
	}
	f.State = Enabled
	return f, f.complete(now)
}

// schedule gives a flow that begins its timetable.
func (s *Service) schedule(t *docstore.Tx, f *Flow) error {
	p, err := f.Schedule.pace()
	if err != nil {
		return err
	}
	return setTimetable(t, f, func(tt *timetable) { tt.Next, tt.Hastened = p.first(s.Now().UnixMilli()), false })
}

func operation(name string, now time.Time) *Operation {
	o := &Operation{Started: now.UnixMilli(), Updated: now.UnixMilli(), Percent: 100, Operation: name}
	o.Status.Value, o.Status.Errors = "completed", []string{}
	return o
}

// resolve reads the connections that a flow names, and returns the target's. The
// flow's route becomes what they say.
func resolve(t *docstore.Tx, sc docstore.Scope, f *Flow) (*Target, error) {
	usable := func(i *Item, field, what string) error {
		if i.State == Draft && f.State != Draft {
			return invalid("FLOW-1455-400", field, "The %s %s is a draft: publish it first", what, i.ID)
		}
		return nil
	}
	f.Route = Route{}
	if len(f.SourceIDs) > 0 {
		source, _, err := sources.get(t, sc, f.SourceIDs[0])
		if err != nil {
			return nil, err
		}
		if source.Spec.ID != StripeSpec {
			return nil, invalid("FLOW-1413-400", "sourceConnectionIds", "The source connection %s is of the spec %s, which the flow spec does not list", source.ID, source.Spec.ID)
		}
		if err := usable(&source.Item, "sourceConnectionIds", "source connection"); err != nil {
			return nil, err
		}
		account, _, err := connections.get(t, sc, source.BaseConnectionID)
		if err != nil {
			return nil, err
		}
		if err := usable(&account.Item, "sourceConnectionIds", "base connection"); err != nil {
			return nil, err
		}
		f.Route.ConnectionID, f.Route.Resource = account.ID, source.Resource()
	}
	if len(f.TargetIDs) == 0 {
		return nil, nil //nolint:nilnil // a draft need not have one
	}
	target, _, err := targets.get(t, sc, f.TargetIDs[0])
	if err != nil {
		return nil, err
	}
	if target.Spec.ID != DataLakeSpec {
		return nil, invalid("CONNECTOR-1307-400", "targetConnectionIds", "The target connection %s is of the spec %s: data of this source goes into the data lake, %s", target.ID, target.Spec.ID, DataLakeSpec)
	}
	if err := usable(&target.Item, "targetConnectionIds", "target connection"); err != nil {
		return nil, err
	}
	if f.Route.DatasetID = target.DatasetID(); f.Route.DatasetID == "" {
		return nil, invalid("CONNECTOR-1325-400", "targetConnectionIds", "The target connection %s names no dataset", target.ID)
	}
	return target, nil
}

// confirm says whether the connections of a flow are still there and still say
// what its route does; docstore.ErrStale.
func confirm(t *docstore.Tx, sc docstore.Scope, f *Flow) error {
	now := *f
	if _, err := resolve(t, sc, &now); err != nil {
		return err
	}
	if now.Route != f.Route {
		return docstore.ErrStale
	}
	return nil
}

// fits says whether the caller may send data along a flow, and whether source,
// mapping, and dataset go together, as far as they are given.
func (s *Service) fits(ctx context.Context, c access.Caller, f *Flow) error {
	for _, need := range []access.Need{access.AnyOf(access.ViewDatasets, access.ManageDatasets), access.AnyOf(access.ViewSchemas, access.ManageSchemas)} {
		if !c.May(c.Sandbox.Name, need) {
			return forbidden()
		}
	}
	var target *Target
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		target, err = resolve(t, scope(c), f)
		return err
	})
	if err != nil {
		return err
	}
	if target == nil {
		return nil
	}
	d, err := s.Datasets.Dataset(ctx, c, f.Route.DatasetID)
	if problem.KindOf(err) == problem.NotFound {
		return invalid("FLOW-2200-400", "targetConnectionIds", "The dataset %s of the target connection %s does not exist", f.Route.DatasetID, target.ID)
	}
	if err != nil {
		return err
	}
	if d.Mirror {
		return invalid("CONNECTOR-1312-400", "targetConnectionIds",
			"The dataset %s (%s) is a copy of Stripe, which no dataflow writes into. Create a dataset on its schema, and a target connection to that", d.Name, d.ID)
	}
	if ref := target.Data.Schema; ref != nil && (lastStep(ref.ID) != lastStep(d.SchemaID) || major(ref.Version) != major(d.ContentType)) {
		return invalid("FLOW-1425-400", "targetConnectionIds", "The target connection %s names the schema %s, version %s; its dataset is on %s", target.ID, ref.ID, ref.Version, d.SchemaID)
	}
	return s.mapsInto(ctx, c, f.Transformations, d)
}

// mapsInto says whether there is a mapping set, and whether its records fit a
// dataset.
func (s *Service) mapsInto(ctx context.Context, c access.Caller, list []Transformation, d catalog.Dataset) error {
	for _, t := range list {
		version, err := strconv.Atoi(t.Params.MappingVersion)
		if err != nil {
			return err
		}
		set, err := s.Mappings.Set(ctx, c, t.Params.MappingID, version)
		if problem.KindOf(err) == problem.NotFound {
			return badMapping(t, "it does not exist")
		}
		if err != nil {
			return err
		}
		if set.SchemaID != d.SchemaID || major(set.XDM) != major(d.ContentType) {
			return invalid("FLOW-1425-400", "transformations", "The mapping set %s is for the schema %s, version %s; the dataset %s (%s) is on %s", set.ID, set.SchemaID, set.XDM, d.Name, d.ID, d.SchemaID)
		}
	}
	return nil
}

// lastStep returns what a schema's $id and its meta:altId end with.
func lastStep(id string) string { return id[strings.LastIndexAny(id, "/.")+1:] }

var versionForm = regexp.MustCompile(`(\d+)(?:\.\d+)*$`)

// major returns the major version that a media type or a version has, 1 where
// it has none.
func major(text string) string {
	if m := versionForm.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		return m[1]
	}
	return "1"
}

// rewrite changes a flow. prepare works on a copy outside of any transaction,
// so it may ask other services; it is asked again if the flow changed meanwhile,
// and says whether there is anything to write. also is done in the transaction.
func (s *Service) rewrite(ctx context.Context, call *gateway.Call, given string, prepare func(old, f *Flow) (bool, error), also func(t *docstore.Tx, old, f *Flow) error) (*gateway.Answer, error) {
	for {
		var doc docstore.Doc
		err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			_, doc, err = flows.get(t, scope(call.Caller), call.Var("id"))
			return err
		})
		if err != nil {
			return nil, err
		}
		old, err := flows.read(doc)
		if err != nil {
			return nil, err
		}
		if !sees(call.Caller, old.Labels) {
			return nil, forbidden()
		}
		if err := current(given, &old.Item); err != nil {
			return nil, err
		}
		f, err := flows.read(doc) // nothing of it is shared with old
		if err != nil {
			return nil, err
		}
		changes, err := prepare(old, f)
		if err != nil {
			return nil, err
		}
		if changes {
			if err := s.touched(call.Caller, &f.Item); err != nil {
				return nil, err
			}
			err = s.DB.Do(ctx, func(t *docstore.Tx) error {
				if err := putFlow(t, scope(call.Caller), doc, f); err != nil {
					return err
				}
				return also(t, old, f)
			})
		}
		if errors.Is(err, docstore.ErrStale) {
			continue
		}
		if errors.Is(err, docstore.ErrNotFound) {
			err = flows.missing(call.Var("id"))
		}
		if err != nil {
			return nil, err
		}
		s.hint(ctx)
		return &gateway.Answer{Header: etagHeader(&f.Item), Body: f.written()}, nil
	}
}

// hint tells that a flow may be due by now: its first run begins at once, and not
// when schedules are looked at the next time.
func (s *Service) hint(ctx context.Context) {
	if s.Queued != nil {
		s.Queued(ctx, Ref{})
	}
}

// patchFlow changes a flow; runs that were put down go on as they are.
func (s *Service) patchFlow(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	ops, err := readPatch(call)
	if err != nil {
		return nil, err
	}
	for _, op := range ops {
		if step := jsondoc.Steps(op.Path)[0]; !slices.Contains(patchable, step) {
			return nil, invalid("FLOW-1455-400", op.Path, "A flow has no field %q that a patch could change", step)
		}
	}
	given, err := ifMatch(call, true)
	if err != nil {
		return nil, err
	}
	return s.rewrite(ctx, call, given, func(old, f *Flow) (bool, error) {
		b, err := patchedFlow(old, ops)
		if err != nil {
			return false, err
		}
		now := s.Now()
		if err := f.take(b, old.Schedule, now); err != nil {
			return false, err
		}
		f.Last = operation("update", now)
		if old.State == Draft {
			return true, s.fits(ctx, call.Caller, f)
		}
		return true, s.checkPatch(ctx, call.Caller, old, f)
	}, func(t *docstore.Tx, old, f *Flow) error {
		if f.State == Draft || *f.Schedule == *old.Schedule {
			return nil
		}
		return s.reschedule(t, old, f)
	})
}

// patchedFlow applies a patch to a flow.
func patchedFlow(f *Flow, ops []jsondoc.Operation) (*flowBody, error) {
	before, err := json.Marshal(f.body())
	if err != nil {
		return nil, err
	}
	doc, err := jsondoc.Parse(before)
	if err != nil {
		return nil, err
	}
	if doc, err = jsondoc.Patch(doc, ops); err != nil {
		return nil, invalid("FLOW-1455-400", "", "The patch can't be applied: %v", err)
	}
	after, err := jsondoc.Marshal(doc)
	if err != nil {
		return nil, err
	}
	return decodePatched(after)
}

// checkPatch says what a patch may not do to a flow that runs.
func (s *Service) checkPatch(ctx context.Context, c access.Caller, old, f *Flow) error {
	for _, ids := range []struct {
		field    string
		was, now []string
	}{{"sourceConnectionIds", old.SourceIDs, f.SourceIDs}, {"targetConnectionIds", old.TargetIDs, f.TargetIDs}} {
		if !slices.Equal(ids.was, ids.now) {
			return invalid("FLOW-1455-400", ids.field, "%s can't be changed after a flow was made. Create a new flow", ids.field)
		}
	}
	if f.Schedule == nil {
		return lacking("scheduleParams")
	}
	if err := f.complete(s.Now()); err != nil {
		return err
	}
	if slices.Equal(old.Transformations, f.Transformations) {
		return nil
	}
	// The connections may have changed, and the flow does not follow them.
	d, err := s.Datasets.Dataset(ctx, c, f.Route.DatasetID)
	if problem.KindOf(err) == problem.NotFound {
		return invalid("FLOW-2200-400", "targetConnectionIds", "The dataset %s of the flow does not exist any more", f.Route.DatasetID)
	}
	if err != nil {
		return err
	}
	return s.mapsInto(ctx, c, f.Transformations, d)
}

// reschedule gives a flow the next slot of its new schedule. A slot that has
// passed and was not served yet still is.
func (s *Service) reschedule(t *docstore.Tx, old, f *Flow) error {
	was, err := old.Schedule.pace()
	if err != nil {
		return err
	}
	p, err := f.Schedule.pace()
	if err != nil {
		return err
	}
	now := s.Now().UnixMilli()
	return setTimetable(t, f, func(tt *timetable) {
		switch {
		case now < was.start:
			tt.Next = p.first(now)
		case tt.Next > now:
			tt.Next = p.after(now)
		}
		tt.Hastened = false
	})
}

// actOnFlow enables, disables or publishes a flow.
func (s *Service) actOnFlow(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	given, err := ifMatch(call, false)
	if err != nil {
		return nil, err
	}
	op := actionName(call)
	if call.HTTP.URL.Query().Has("subOp") {
		op = "finalize"
	}
	var prepare func(old, f *Flow) (bool, error)
	switch op {
	case "enable", "disable":
		prepare = func(old, f *Flow) (bool, error) {
			f.State, f.Stopped = Enabled, ""
			code := "FLOW-1420-400"
			if op == "disable" {
				f.State, code = Disabled, "FLOW-1421-400"
			}
			if old.State == Draft {
				return false, invalid(code, "state", "The flow %s is a draft, which can't be %sd: publish it first", f.ID, op)
			}
			return old.State != f.State, nil
		}
	case "publish":
		prepare = func(old, f *Flow) (bool, error) {
			if old.State != Draft {
				return false, invalid("FLOW-1422-400", "state", "The flow %s is %s: only a draft can be published", f.ID, old.State)
			}
			f.State = Enabled
			if err := f.complete(s.Now()); err != nil {
				return false, err
			}
			return true, s.fits(ctx, call.Caller, f)
		}
	case "finalize", "finalize-update":
		return nil, invalid("FLOW-1402-400", "op", "This operation is for providers of sources alone")
	default:
		return nil, invalid("FLOW-1451-400", "op", "op=%s: enable, disable or publish is expected", call.HTTP.URL.Query().Get("op"))
	}
	return s.rewrite(ctx, call, given, func(old, f *Flow) (bool, error) {
		changes, err := prepare(old, f)
		if changes {
			f.Last = operation(op, s.Now())
		}
		return changes, err
	}, func(t *docstore.Tx, old, f *Flow) error {
		if old.State == Draft {
			if err := confirm(t, scope(call.Caller), f); err != nil {
				return err
			}
			return s.schedule(t, f)
		}
		return setTimetable(t, f, func(tt *timetable) { tt.Paused = f.State != Enabled })
	})
}

// actionName returns the op of a call as it is written here: re-trigger.
func actionName(call *gateway.Call) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(call.HTTP.URL.Query().Get("op"))), "_", "-")
}

// deleteFlow deletes a flow with its runs, of which an unfinished one is
// stopped. What they brought stays.
func (s *Service) deleteFlow(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	given, err := ifMatch(call, false)
	if err != nil {
		return nil, err
	}
	id := call.Var("id")
	var stopped []Ref
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		stopped = nil
		f, _, err := flows.get(t, scope(call.Caller), id)
		if err != nil {
			return err
		}
		if !sees(call.Caller, f.Labels) {
			return forbidden()
		}
		if err := current(given, &f.Item); err != nil {
			return err
		}
		if err := t.Delete(scope(call.Caller), kindFlow, id); err != nil {
			return err
		}
		if err := setTimetable(t, f, func(tt *timetable) { tt.Gone = true }); err != nil {
			return err
		}
		d, err := t.Find(docstore.Scope{}, kindLease, flowKey(id))
		if errors.Is(err, docstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ref, err := stopLease(t, d, f)
		stopped = append(stopped, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	_ = s.sweep(ctx, id) // Due goes on where this ended
	s.dropped(ctx, stopped)
	return &gateway.Answer{Status: http.StatusNoContent}, nil
}

func (s *Service) dropped(ctx context.Context, runs []Ref) {
	for _, r := range runs {
		if s.Dropped != nil {
			s.Dropped(ctx, r)
		}
	}
}

// sweep removes the runs of a flow that was deleted, a few at a time, and then
// what says that this is to be done.
func (s *Service) sweep(ctx context.Context, flow string) error {
	const few = 200
	for n := few; n == few; {
		err := s.DB.Do(ctx, func(t *docstore.Tx) error {
			n = 0
			tt, d, err := getTimetable(t, flow)
			if err != nil || d.Revision == 0 || !tt.Gone {
				return err
			}
			docs, err := t.List(tt.scope(), kindRun, docstore.Page{Parent: flow, Limit: few})
			if err != nil {
				return err
			}
			for _, d := range docs {
				if err := t.Delete(tt.scope(), kindRun, d.ID); err != nil {
					return err
				}
			}
			if n = len(docs); n < few {
				return t.Delete(docstore.Scope{}, kindSchedule, flow)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
