package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

func invalid(format string, args ...any) error {
	return problem.Errorf(problem.Invalid, format, args...)
}

// usualContentType is that of a dataset whose maker named none.
const usualContentType = "application/vnd.adobe.xed+json;version=1"

// A content type of a schema; of its version only the major one counts. Some
// write the version alone.
var contentType = regexp.MustCompile(`^(?:application/vnd\.adobe\.(?:xed|xdm)(?:-v2)?(?:-full)?(?:-notext)?(?:-desc)?\+json\s*;\s*version\s*=\s*)?(\d+)(?:\.\d+)*$`)

// fileFormats are those that the file description of a dataset may name. The
// files are Parquet in any case.
var fileFormats = []string{"", "parquet", "csv", "text", "json", "sequencefile", "avro"}

// check says what is wrong with what a client set; old is the dataset as it
// was before, the zero Dataset for a new one. It also brings values into their
// usual form.
func (d *Dataset) check(old Dataset) error {
	d.Name = strings.TrimSpace(d.Name)
	switch {
	case d.Name == "":
		return invalid("name: a dataset needs a name")
	case d.SchemaID == "":
		return invalid("schemaRef.id: a dataset needs a schema")
	}
	if d.ContentType == "" {
		d.ContentType = usualContentType
	}
	if d.ContentType != old.ContentType {
		m := contentType.FindStringSubmatch(strings.TrimSpace(d.ContentType))
		if m == nil {
			return invalid("schemaRef.contentType: %q is none; an example is %s", d.ContentType, usualContentType)
		}
		if m[1] != "1" {
			return invalid("schemaRef.contentType: schemas have the major version 1 here, not %s", m[1])
		}
		if !strings.Contains(d.ContentType, "/") {
			d.ContentType = usualContentType
		}
	}
	if err := d.checkTags(old.Tags); err != nil {
		return err
	}
	var file struct {
		Format string `json:"format"`
	}
	for name, object := range map[string]json.RawMessage{"fileDescription": d.FileDescription, "extensions": d.Extensions, "classification": d.Classification} {
		if object != nil && !bytes.HasPrefix(bytes.TrimSpace(object), []byte("{")) {
			return invalid("%s: an object is expected", name)
		}
	}
	if d.FileDescription != nil && (json.Unmarshal(d.FileDescription, &file) != nil || !slices.Contains(fileFormats, file.Format)) {
		return invalid("fileDescription.format: it is one of %s", strings.Join(fileFormats[1:], ", "))
	}
	return d.checkExtensions()
}

// checkExtensions refuses what would look as if rows were to disappear by
// themselves.
func (d *Dataset) checkExtensions() error {
	var known struct {
		LakeHouse struct {
			RowExpiration json.RawMessage `json:"rowExpiration"`
		} `json:"adobe_lakeHouse"`
	}
	if d.Extensions == nil {
		return nil
	}
	if err := json.Unmarshal(d.Extensions, &known); err != nil {
		return invalid("extensions.adobe_lakeHouse: an object is expected")
	}
	if known.LakeHouse.RowExpiration != nil {
		return invalid("extensions.adobe_lakeHouse.rowExpiration: rows do not expire here")
	}
	return nil
}

// Tags whose names begin so are not for clients, but for those that the
// original's guides tell them to set.
var (
	reservedTags = []string{"acp_", "adobe/", "aep/", "tributary/"}
	openTags     = []string{"adobe/pqs/table", "adobe/siphon/table/format"}
)

const profileTag = "unifiedProfile"

func (d *Dataset) checkTags(old map[string][]string) error {
	for _, name := range slices.Sorted(maps.Keys(d.Tags)) {
		values := d.Tags[name]
		if values == nil {
			values = []string{}
		}
		if strings.TrimSpace(name) == "" {
			return invalid("tags: a tag needs a name")
		}
		for i, v := range values {
			key, value, found := strings.Cut(v, ":")
			if (name == profileTag || name == "unifiedIdentity") && found {
				values[i] = strings.TrimSpace(key) + ":" + strings.TrimSpace(value)
			}
		}
		d.Tags[name] = values
		reserved := slices.ContainsFunc(reservedTags, func(begin string) bool { return strings.HasPrefix(name, begin) })
		if reserved && !slices.Contains(openTags, name) && !slices.Equal(values, old[name]) {
			return invalid("tags: %q is reserved: names that begin with %s are not for clients", name, strings.Join(reservedTags, ", "))
		}
	}
	for name := range old {
		if strings.HasPrefix(name, "acp_") && d.Tags[name] == nil {
			return invalid("tags: %q is reserved and stays", name)
		}
	}
	return nil
}

func (d *Dataset) inProfile() bool { return slices.Contains(d.Tags[profileTag], "enabled:true") }

// checkUnion says whether a dataset may have been enabled for Profile.
func (s *Service) checkUnion(ctx context.Context, c access.Caller, old, now Dataset) error {
	if !now.inProfile() || old.inProfile() {
		return nil
	}
	if s.InUnion != nil {
		in, err := s.InUnion(ctx, c, now.SchemaID)
		if err != nil || in {
			return err
		}
	}
	return &problem.Error{
		Kind:   problem.Invalid,
		Detail: "tags.unifiedProfile: the schema " + now.SchemaID + " is not enabled for Profile",
		Advice: "Enable the schema first, by its meta:immutableTags",
	}
}

// checkDelete says what speaks against deleting a dataset into which the
// targets write.
func (d *Dataset) checkDelete(targets []string) error {
	switch {
	case d.Mirror:
		return &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("the dataset %q is a copy of Stripe, which passes keep up to date: it can't be deleted here", d.Name),
		}
	case len(targets) > 0:
		return &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("%s write into the dataset %q", strings.Join(targets, ", "), d.Name), Advice: "Disable or delete them first",
		}
	case d.inProfile():
		return &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("the dataset %q is enabled for Profile", d.Name), Advice: "Remove its tag unifiedProfile first",
		}
	}
	return nil
}

// A Match is what a call asks of an object's version: the headers If-Match and
// If-None-Match, empty where there is none.
type Match struct{ If, None string }

func (m Match) check(id, version string) error {
	if m.If != "" && !matches(m.If, version) {
		return &problem.Error{
			Kind: problem.Stale, Detail: fmt.Sprintf("the supplied version %s does not match the current version %s of %s", m.If, version, id),
			Advice: "Read it again and decide anew",
		}
	}
	if m.None != "" && matches(m.None, version) {
		return problem.Errorf(problem.Stale, "%s has the version %s, which If-None-Match excludes", id, version)
	}
	return nil
}

// matches says whether a header names the version: with quotes or without,
// as one of several, or by *.
func matches(header, version string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		one = strings.Trim(one, `"\ `)
		if one == "*" || one == version {
			return true
		}
	}
	return false
}
