package webui

// A named object is one that another one may refer to: an audience or an offer.
type named struct {
	ID   string `json:"id"`
	Key  string `json:"key"`
	Name string `json:"name"`
	Gone bool   `json:"-"` // it was named, and is no more
}

// Title is what people know it by.
func (c named) Title() string {
	if c.Key != "" {
		return c.Name + " (" + c.Key + ")"
	}
	return c.Name
}

// A namedList is what a form offers, and a page knows the names of.
type namedList []named

// Of returns the one with an id, one that is gone where there is none.
func (all namedList) Of(id string) named {
	for _, c := range all {
		if c.ID == id {
			return c
		}
	}
	return named{ID: id, Name: id, Gone: true}
}

// With returns all, and before them the one that is named now if it is
// gone: a form that is sent again must not change it.
func (all namedList) With(id string) namedList {
	if c := all.Of(id); id != "" && c.Gone {
		return append(namedList{c}, all...)
	}
	return all
}

// listNamed asks an API for all that it has.
func (r *request) listNamed(path string) (namedList, error) {
	var got struct {
		Items namedList `json:"items"`
	}
	return got.Items, r.get(path, nil, &got)
}
