package registry

import (
	"slices"
	"strings"
)

// Formats of resources.
const (
	formatID          = "xed-id"          // title, ids and version
	formatRaw         = "xed"             // with $ref and allOf
	formatXDM         = "xdm"             // the same, fields by the names of XDM's own dialect
	formatFull        = "xed-full"        // $ref and allOf resolved
	formatNoText      = "xed-notext"      // raw without titles and descriptions
	formatFullNoText  = "xed-full-notext" // resolved without titles and descriptions
	formatFullDesc    = "xed-full-desc"   // resolved, with descriptors
	formatDeprecated  = "xed-deprecatefield"
	formatDescriptors = "xdm" // whole descriptors; -id and -link are the others
)

// where says where a format can be asked for.
var where = map[string]struct{ list, lookup bool }{
	formatID: {list: true}, formatRaw: {true, true}, formatXDM: {true, true}, formatFull: {lookup: true}, formatNoText: {lookup: true},
	formatFullNoText: {lookup: true}, formatFullDesc: {lookup: true}, formatDeprecated: {lookup: true},
}

// An accepted is what an Accept header asks for.
type accepted struct {
	format  string // empty if it is none of ours
	version string // as written; empty if there is none
}

// parseAccept reads the first of the registry's media types in a header.
func parseAccept(header string) accepted {
	for media := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(media, ";")
		name, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(name)), "application/vnd.adobe.")
		if !ok {
			continue
		}
		if name, ok = strings.CutSuffix(name, "+json"); !ok {
			continue
		}
		a := accepted{format: name}
		for param := range strings.SplitSeq(params, ";") {
			key, value, _ := strings.Cut(param, "=")
			if strings.EqualFold(strings.TrimSpace(key), "version") {
				a.version = strings.Trim(strings.TrimSpace(value), `"`)
			}
		}
		return a
	}
	return accepted{}
}

// major returns what stands before the dot of a version.
func major(version string) string {
	m, _, _ := strings.Cut(strings.TrimSpace(version), ".")
	return m
}

// listFormat returns the format in which a list is asked for.
func listFormat(header string) (string, error) {
	a := parseAccept(header)
	w, known := where[a.format]
	if !known || a.version != "" {
		return "", refuse(acceptList, "The supplied Accept header is not valid: %s - A valid Accept value should look like application/vnd.adobe.'{xed|xdm'}+json", header)
	}
	if !w.list {
		return "", refuse(notAcceptable, "The format %s is not available for lists: use application/vnd.adobe.xed-id+json or application/vnd.adobe.xed+json", a.format)
	}
	return a.format, nil
}

// lookupFormat returns the format in which one resource is asked for.
func lookupFormat(header string) (string, error) {
	a := parseAccept(header)
	w, known := where[a.format]
	if !known || !isVersion(a.version) {
		return "", refuse(acceptLookup, "The supplied Accept header is not valid: %s - A valid Accept value should look like application/vnd.adobe.'{xed|xdm'}+json; version=1 (Version should be specified)", header)
	}
	if major(a.version) != "1" {
		return "", refuse(notAcceptable, "There is no version %s: the versions of a resource are 1.0, 1.1 and so on, and version=1 is the newest", a.version)
	}
	if !w.lookup {
		return "", refuse(notAcceptable, "The format %s is for lists: use application/vnd.adobe.xed+json; version=1", a.format)
	}
	return a.format, nil
}

// anything says whether a header names none of the registry's media types, and
// takes JSON.
func anything(header string) bool {
	if parseAccept(header).format != "" {
		return false
	}
	takes := strings.TrimSpace(header) == ""
	for media := range strings.SplitSeq(strings.ToLower(header), ",") {
		name, _, _ := strings.Cut(media, ";")
		takes = takes || slices.Contains([]string{"*/*", "application/*", "application/json"}, strings.TrimSpace(name))
	}
	return takes
}

// listFormat and lookupFormat are what the functions of their names say, but
// for headers that leave something open, where that is allowed.
func (s *Service) listFormat(header string) (string, error) {
	if s.AnyAccept && anything(header) {
		return formatID, nil
	}
	return listFormat(header)
}

func (s *Service) lookupFormat(header string) (string, error) {
	if s.AnyAccept && anything(header) {
		return formatRaw, nil
	}
	if a := parseAccept(header); s.AnyAccept && a.version == "" && where[a.format].lookup {
		return a.format, nil
	}
	return lookupFormat(header)
}

func isVersion(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.") == "" && s[0] != '.'
}

// contentType is the media type of a resource's answer.
func contentType(format string, lookup bool) string {
	t := "application/vnd.adobe." + format + "+json"
	if lookup {
		t += "; version=1"
	}
	return t
}

// descriptorFormat returns the format in which descriptors are listed: xdm,
// xdm-id or xdm-link, and whether by pages.
func descriptorFormat(header string) (format string, paged bool, err error) {
	a := parseAccept(header)
	format = a.format
	if rest, ok := strings.CutPrefix(format, "xdm-v2"); ok {
		format, paged = "xdm"+rest, true
	}
	if format != formatDescriptors && format != "xdm-id" && format != "xdm-link" || a.version != "" {
		return "", false, refuse(acceptDescriptorList, "The supplied Accept header is not valid: %s - A valid Accept value should look like application/vnd.adobe.xdm-id+json", header)
	}
	return format, paged, nil
}

// acceptDescriptor checks the header of the lookup of a descriptor, which
// needs none.
func acceptDescriptor(header string) error {
	if a := parseAccept(header); a.format != "" && a.format != formatDescriptors {
		return refuse(acceptDescriptorLookup, "The supplied Accept header is not valid: %s - A valid Accept value should look like application/vnd.adobe.xdm+json", header)
	}
	return nil
}
