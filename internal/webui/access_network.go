package webui

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An addressRange is an entry of a list of addresses that may call.
type addressRange struct {
	CIDR        string `json:"cidr"`
	Description string `json:"description,omitempty"`
}

// An allowList is the addresses from which an organisation or a sandbox may be
// called.
type allowList struct {
	Level   string // organization, sandbox
	Title   string
	Text    string
	Empty   string
	Entries []addressRange `json:"entries"`
	By      string         `json:"updatedBy"`
	// Of the form that adds a range, as it was sent.
	CIDR, Description string
	Wrong             string
}

var allowLists = []allowList{
	{
		Level: "organization", Title: "Organisation", Text: "Who calls any sandbox must call from one of these ranges.",
		Empty: "There is no list: the organisation can be called from everywhere.",
	},
	{
		Level: "sandbox", Title: "This sandbox", Text: "Who calls this sandbox must call from one of these ranges, and from one of the organisation's.",
		Empty: "There is no list: the sandbox can be called from everywhere that the organisation can.",
	},
}

var _ = words("Organisation", "Who calls any sandbox must call from one of these ranges.", "There is no list: the organisation can be called from everywhere.",
	"This sandbox", "Who calls this sandbox must call from one of these ranges, and from one of the organisation's.",
	"There is no list: the sandbox can be called from everywhere that the organisation can.")

// networkView is what the page of addresses shows.
type networkView struct {
	Egress struct {
		Addresses    []string `json:"egressAddresses"`
		Proxy        string   `json:"proxy"`
		Destinations []struct {
			Host    string `json:"host"`
			Port    int    `json:"port"`
			Purpose string `json:"purpose"`
		} `json:"destinations"`
	}
	Lists   []*allowList // for administrators
	Faults  formFaults
	Lockout *lockout // what was asked for, and would lock its author out
	Done    string
}

// A lockout is a change that the API refuses unless it is forced.
type lockout struct {
	Path, CIDR, Description string
	Text                    string
}

var networkDeeds = map[string]string{
	"range-added":   "The range was added. From now on only who is on the list may call.",
	"range-removed": "The range was removed.",
	"list-removed":  "The list is gone: its addresses are not looked at any more.",
}

var _ = words("The range was added. From now on only who is on the list may call.", "The range was removed.", "The list is gone: its addresses are not looked at any more.")

func (r *request) showNetwork() error {
	v, err := r.networkView()
	if err != nil {
		return err
	}
	return r.show("access_network", v)
}

func (r *request) networkView() (*networkView, error) {
	v := &networkView{Done: r.deed(networkDeeds)}
	if err := r.get(networkAPI+"/egress", nil, &v.Egress); err != nil || !r.Caller.Admin {
		return v, err
	}
	for _, l := range allowLists {
		if err := r.readRanges(&l); err != nil {
			return nil, err
		}
		v.Lists = append(v.Lists, &l)
	}
	return v, nil
}

// readRanges fills in what is on a list; nothing where there is none.
func (r *request) readRanges(l *allowList) error {
	err := r.get(networkAPI+"/allow-lists/"+l.Level, nil, l)
	if missing(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// changedList returns the list that a form is about.
func (r *request) changedList() (*allowList, error) {
	i := slices.IndexFunc(allowLists, func(l allowList) bool { return l.Level == r.http.PathValue("level") })
	if i < 0 {
		return nil, r.notFound()
	}
	l := allowLists[i]
	return &l, r.readRanges(&l)
}

// allowRange adds a range to a list.
func (r *request) allowRange() error {
	l, err := r.changedList()
	if err != nil {
		return err
	}
	added := addressRange{CIDR: r.form("cidr"), Description: r.form("description")}
	if !isRange(added.CIDR) {
		return r.networkAgain(l.Level, added, nil, r.t("This is no address and no range such as 203.0.113.0/24 or 2001:db8::/32."))
	}
	path := "/access/allow-list/" + l.Level
	if err := r.putRanges(l.Level, append(l.Entries, added)); err != nil {
		return r.networkAgain(l.Level, added, refusedLockout(err, path, added), r.fault(err).Text)
	}
	return r.redirect("/access/allow-list?done=range-added")
}

// isRange says whether a text reads as a range, or as an address.
func isRange(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(text)
	return err == nil
}

// disallowRange takes a range from a list; with its last range the list goes.
func (r *request) disallowRange() error {
	l, err := r.changedList()
	if err != nil {
		return err
	}
	gone := addressRange{CIDR: r.form("cidr")}
	left := slices.DeleteFunc(slices.Clone(l.Entries), func(e addressRange) bool { return e.CIDR == gone.CIDR })
	switch {
	case len(l.Entries) == 0, len(left) == len(l.Entries): // somebody was faster
	case len(left) == 0:
		if err := r.send(http.MethodDelete, networkAPI+"/allow-lists/"+l.Level, nil, nil); err != nil && !missing(err, http.StatusNotFound) {
			return err
		}
		return r.redirect("/access/allow-list?done=list-removed")
	default:
		if err := r.putRanges(l.Level, left); err != nil {
			return r.networkAgain("", addressRange{}, refusedLockout(err, "/access/allow-list/"+l.Level+"/remove", gone), r.fault(err).Text)
		}
	}
	return r.redirect("/access/allow-list?done=range-removed")
}

// putRanges replaces a list, which the API refuses where it would lock its
// author out, unless the form says that this is known.
func (r *request) putRanges(level string, ranges []addressRange) error {
	path := networkAPI + "/allow-lists/" + level
	if r.form("force") == "true" {
		path += "?force=true"
	}
	return r.send(http.MethodPut, path, map[string]any{"entries": ranges}, nil)
}

func refusedLockout(err error, path string, e addressRange) *lockout {
	if !missing(err, http.StatusConflict) {
		return nil
	}
	return &lockout{Path: path, CIDR: e.CIDR, Description: e.Description}
}

// networkAgain shows the page with what is wrong with a range, or with what
// would lock its author out.
func (r *request) networkAgain(level string, e addressRange, out *lockout, why string) error {
	v, err := r.networkView()
	if err != nil {
		return err
	}
	if out != nil {
		what, _, _ := strings.Cut(why, ". ") // without the advice, which is for programs
		out.Text, v.Lockout = sentence(what), out
	} else {
		field := ""
		if level != "" {
			field = "cidr-" + level
		}
		v.Faults.add(field, why)
	}
	for _, l := range v.Lists {
		if l.Level == level {
			l.CIDR, l.Description = e.CIDR, e.Description
			if out == nil {
				l.Wrong = why
			}
		}
	}
	return r.again("access_network", "main", v)
}
