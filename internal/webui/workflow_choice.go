package webui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// templatePrefix stands before the resource where a draft's schema is one that
// is to be made of the resource's template.
const templatePrefix = "template:"

// mostChoices is how many schemas or datasets are offered at once.
const mostChoices = 30

// A choice is a schema or a dataset that may be chosen.
type choice struct {
	ID          string
	Title       string
	Description string
	Schema      string // title of a dataset's
	SchemaID    string
	Updated     int64 // epoch ms
	Profile     bool  // enabled for Profile
}

// choices are those that a search found, newest first.
type choices struct {
	Of       string // schema or dataset
	All      []choice
	Chosen   string // id
	More     bool
	Template stripeResource // of schemas: what one can be made of
}

func (c choices) chosen() *choice {
	for i := range c.All {
		if c.All[i].ID == c.Chosen {
			return &c.All[i]
		}
	}
	return nil
}

// keep puts what a search found into order: what is chosen stays in sight.
func (c *choices) keep(text string) {
	text = strings.ToLower(text)
	c.All = slices.DeleteFunc(c.All, func(one choice) bool {
		return one.ID != c.Chosen && !strings.Contains(strings.ToLower(one.Title+" "+one.Description), text)
	})
	slices.SortStableFunc(c.All, func(a, b choice) int {
		switch {
		case a.ID == c.Chosen:
			return -1
		case b.ID == c.Chosen:
			return 1
		}
		return int(b.Updated/1000 - a.Updated/1000)
	})
	c.More = len(c.All) > mostChoices
	c.All = c.All[:min(len(c.All), mostChoices)]
}

// schemas returns the schemas of the sandbox whose titles have a text.
func (r *request) schemas(text, chosen string) (choices, error) {
	var got struct {
		Results []struct {
			ID          string   `json:"$id"`
			Title       string   `json:"title"`
			Description string   `json:"description"`
			Tags        []string `json:"meta:immutableTags"`
			Metadata    struct {
				Modified int64 `json:"repo:lastModifiedDate"`
			} `json:"meta:registryMetadata"`
		} `json:"results"`
	}
	err := r.call(call{
		Path: registryAPI + "/tenant/schemas", Query: url.Values{"orderby": {"-updated"}, "limit": {"500"}},
		Header: http.Header{"Accept": {"application/vnd.adobe.xed+json"}},
	}, &got)
	if err != nil {
		return choices{}, err
	}
	c := choices{Of: "schema", Chosen: chosen}
	for _, s := range got.Results {
		c.All = append(c.All, choice{
			ID: s.ID, Title: s.Title, Description: s.Description, Updated: s.Metadata.Modified, Profile: slices.Contains(s.Tags, "union"),
		})
	}
	c.keep(text)
	return c, nil
}

// catalogDataset is a dataset as the catalog shows it.
type catalogDataset struct {
	Name        string              `json:"name"`
	Description string              `json:"description"`
	Created     int64               `json:"created"`
	BasePath    string              `json:"basePath"`
	Tags        map[string][]string `json:"tags"`
	SchemaRef   struct {
		ID string `json:"id"`
	} `json:"schemaRef"`
}

// ownTable begins the table of datasets that one may write into: those of copies
// of Stripe have names of their own.
const ownTable = "ds_"

func (d catalogDataset) choice(id string) choice {
	return choice{
		ID: id, Title: d.Name, Description: d.Description, SchemaID: d.SchemaRef.ID, Updated: d.Created,
		Profile: slices.Contains(d.Tags["unifiedProfile"], "enabled:true"),
	}
}

func (r *request) dataset(id string) (choice, error) {
	got := map[string]catalogDataset{}
	if err := r.get(catalogAPI+"/dataSets/"+escape(id), nil, &got); err != nil {
		return choice{}, err
	}
	return got[id].choice(id), nil
}

// datasets returns the datasets of the sandbox that a dataflow may write into.
func (r *request) datasets(text, chosen string) (choices, error) {
	c := choices{Of: "dataset", Chosen: chosen}
	const page, pages = 100, 10
	for n := range pages {
		got := map[string]catalogDataset{}
		err := r.get(catalogAPI+"/dataSets", url.Values{
			"limit": {strconv.Itoa(page)}, "start": {strconv.Itoa(n * page)}, "orderBy": {"desc:created"},
		}, &got)
		if err != nil {
			return c, err
		}
		for id, d := range got {
			if strings.HasPrefix(d.BasePath, ownTable) {
				c.All = append(c.All, d.choice(id))
			}
		}
		if len(got) < page {
			break
		}
	}
	slices.SortFunc(c.All, func(a, b choice) int { return strings.Compare(a.ID, b.ID) })
	c.keep(text)
	if len(c.All) == 0 {
		return c, nil
	}
	schemas, err := r.schemas("", "")
	for i := range c.All {
		for _, s := range schemas.All {
			if s.ID == c.All[i].SchemaID {
				c.All[i].Schema = s.Title
			}
		}
	}
	return c, err
}

// showChoices shows what a search for a schema or a dataset found.
func (r *request) showChoices() error {
	d, err := r.draft()
	if err != nil {
		return err
	}
	var c choices
	if r.query("of") == "dataset" {
		c, err = r.datasets(strings.TrimSpace(r.query("dataset_search")), r.query("dataset"))
	} else {
		c, err = r.schemas(strings.TrimSpace(r.query("schema_search")), r.query("schema"))
		c.Template = resourceAt(d.ResourcePath)
	}
	if err != nil {
		return err
	}
	return r.part("workflow_detail", "choices", c)
}

// profileView is the toggle for Profile: it can be used where what was chosen is
// enabled for it.
type profileView struct{ On, Enabled bool }

func profileOf(existing, on bool, schemas, datasets choices) profileView {
	chosen := schemas.chosen()
	if existing {
		chosen = datasets.chosen()
	}
	return profileView{On: on, Enabled: chosen != nil && chosen.Profile}
}

// showProfile shows the toggle for Profile for what is chosen in the form.
func (r *request) showProfile() error {
	schemas, err := r.schemas("", r.query("schema"))
	if err != nil {
		return err
	}
	datasets, err := r.datasets("", r.query("dataset"))
	if err != nil {
		return err
	}
	return r.part("workflow_detail", "profile", profileOf(r.query("target") == "existing", r.query("profile") == "on", schemas, datasets))
}

// missing says whether the API refused with a status.
func missing(err error, status int) bool {
	f, ok := errors.AsType[*gateway.Failure](err)
	return ok && f.Status == status
}
