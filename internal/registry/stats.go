package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// recent is how many resources the statistics name.
const recent = 10

// Stats are the numbers of a sandbox's resources.
type Stats struct {
	Org     string                       `json:"imsOrg"`
	Tenant  string                       `json:"tenantId"`
	Counts  map[string]int               `json:"counts"`
	Created []*jsondoc.Object            `json:"recentlyCreatedResources"`
	Updated []*jsondoc.Object            `json:"recentlyUpdatedResources"`
	Classes map[string][]*jsondoc.Object `json:"classUsage"` // schemas by $id of their class
}

// Stats returns how many resources of which type there are.
func (s *Service) Stats(ctx context.Context, c access.Caller) (Stats, error) {
	var out Stats
	err := s.do(ctx, c, func(l *library) error {
		out = Stats{Org: c.Org, Tenant: c.Tenant, Counts: make(map[string]int), Classes: make(map[string][]*jsondoc.Object)}
		var all []*resource
		for _, t := range own {
			of, err := l.all(t)
			if err != nil {
				return err
			}
			out.Counts[string(t)] = len(of)
			all = append(all, of...)
		}
		for _, r := range all {
			if r.Type != Schemas {
				continue
			}
			class, err := l.classOf(r)
			if err != nil {
				return err
			}
			if class != nil {
				out.Classes[class.ID] = append(out.Classes[class.ID], listed(r))
			}
		}
		unions, err := l.listUnions()
		if err != nil {
			return err
		}
		out.Counts[string(Unions)] = len(unions)
		out.Created = newest(all, func(r *resource) int64 { return r.doc.Created.UnixMilli() })
		out.Updated = newest(all, func(r *resource) int64 { return r.Modified })
		return nil
	})
	return out, err
}

func newest(all []*resource, at func(*resource) int64) []*jsondoc.Object {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b *resource) int { return cmp.Compare(at(b), at(a)) })
	out := []*jsondoc.Object{}
	for _, r := range sorted[:min(recent, len(sorted))] {
		out = append(out, listed(r))
	}
	return out
}

// listed is a resource as the statistics name it.
func listed(r *resource) *jsondoc.Object {
	return jsondoc.Of(
		"title", r.Doc.Text("title"), "description", r.Doc.Text("description"), "meta:resourceType", string(r.Type),
		"$id", r.ID, "meta:altId", altID(r.ID), "version", r.version(),
	)
}
