package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A schemaItem is a schema in the list.
type schemaItem struct {
	ID          string   `json:"$id"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Version     string   `json:"version"`
	Class       string   `json:"meta:class"`
	Tags        []string `json:"meta:immutableTags"`
	Metadata    struct {
		Created  int64 `json:"repo:createdDate"`
		Modified int64 `json:"repo:lastModifiedDate"`
	} `json:"meta:registryMetadata"`
}

// Path is where its page is.
func (s schemaItem) Path() string { return schemaPath(s.ID) }

// Profile says whether it is enabled for Profile.
func (s schemaItem) Profile() bool { return slices.Contains(s.Tags, "union") }

// ClassName is the last step of the class's id.
func (s schemaItem) ClassName() string { return s.Class[strings.LastIndexByte(s.Class, '/')+1:] }

// schemaPath is the path of a schema's page: its id is a URL.
func schemaPath(id string) string { return Base + "/schemas/" + url.PathEscape(id) }

// schemasView is what the list of schemas shows.
type schemasView struct {
	Query string
	Rows  []schemaItem
	Pages paging
}

func (r *request) showSchemas() error {
	v := schemasView{Query: strings.TrimSpace(r.query("q"))}
	all, err := r.allSchemas()
	if err != nil {
		return err
	}
	text := strings.ToLower(v.Query)
	all = slices.DeleteFunc(all, func(s schemaItem) bool {
		return !strings.Contains(strings.ToLower(s.Title+" "+s.Description+" "+s.Class+" "+s.ID), text)
	})
	v.Pages = r.paging(len(all))
	v.Rows = all[v.Pages.From:v.Pages.To]
	if r.partial() {
		return r.part("schemas", "list", v)
	}
	return r.show("schemas", v)
}

// allSchemas returns the schemas of the sandbox, by title.
func (r *request) allSchemas() ([]schemaItem, error) {
	query := url.Values{"orderby": {"title"}, "limit": {"500"}}
	var all []schemaItem
	for {
		var got struct {
			Results []schemaItem `json:"results"`
			Page    struct {
				Next *string `json:"next"`
			} `json:"_page"`
		}
		err := r.call(call{
			Path: registryAPI + "/tenant/schemas", Query: query, Header: http.Header{"Accept": {"application/vnd.adobe.xed+json"}},
		}, &got)
		if err != nil {
			return nil, err
		}
		all = append(all, got.Results...)
		if got.Page.Next == nil {
			return all, nil
		}
		query.Set("start", *got.Page.Next)
	}
}

// schemaTitles are the titles of the sandbox's schemas, by their ids.
func (r *request) schemaTitles() (map[string]string, error) {
	all, err := r.allSchemas()
	titles := map[string]string{}
	for _, s := range all {
		titles[s.ID] = s.Title
	}
	return titles, err
}
