package expr

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// ports are those that schemes have by default.
var ports = map[string]int64{
	"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ftps": 990, "sftp": 22, "ssh": 22, "telnet": 23,
	"smtp": 25, "smtps": 465, "gopher": 70, "pop3": 110, "nntp": 119, "imap": 143, "imaps": 993, "ldap": 389, "ldaps": 636,
}

func urlFunctions() []*function {
	theURL := param{name: "url", about: "the URL", types: textType}
	part := func(name, about, returns string, result Types, example, gives string, do func(u *url.URL) Value) *function {
		return &function{
			name: name, category: catURL, about: about, returns: returns + "; null if the URL is invalid", result: result,
			params: []param{theURL}, example: example, gives: gives,
			call: func(a args) (Value, error) {
				u := parseURL(a.text(0))
				if u == nil {
					return Value{}, nil
				}
				return do(u), nil
			},
		}
	}
	path := part("get_url_path", "Reads the path of a URL.", "the path, as it is written", textType,
		`get_url_path("sftp://example.com//home/joe/employee.csv")`, `"//home/joe/employee.csv"`, nil)
	path.params = []param{theURL, {name: "full", about: "false for the last part only", types: boolType, optional: true}}
	path.call = func(a args) (Value, error) {
		u := parseURL(a.text(0))
		if u == nil {
			return Value{}, nil
		}
		s := u.EscapedPath()
		if len(a.v) > 1 && !a.v[1].bool() {
			s = s[strings.LastIndexByte(s, '/')+1:]
		}
		return TextOf(s), nil
	}
	return []*function{
		part("get_url_protocol", "Reads the protocol of a URL.", "the scheme", textType,
			`get_url_protocol("https://platform.adobe.com/home")`, `"https"`, func(u *url.URL) Value { return TextOf(u.Scheme) }),
		part("get_url_host", "Reads the host of a URL.", "the host", textType,
			`get_url_host("https://platform.adobe.com/home")`, `"platform.adobe.com"`, func(u *url.URL) Value {
				if u.Hostname() == "" {
					return Value{}
				}
				return TextOf(u.Hostname())
			}),
		part("get_url_port", "Reads the port of a URL.", "the port, or that of the scheme", intType,
			`get_url_port("sftp://example.com//home/joe/employee.csv")`, `22`, func(u *url.URL) Value {
				if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
					return IntOf(int64(n))
				}
				if n, ok := ports[u.Scheme]; ok && u.Port() == "" {
					return IntOf(n)
				}
				return Value{}
			}),
		path,
		{
			name: "get_url_query_str", category: catURL, about: "Reads the query of a URL.",
			returns: "the parameters, decoded; one that comes again has an array; null if the URL is invalid", result: mapType,
			params: []param{theURL, {
				name: "anchor", about: "what to do with the anchor: retain it with the last value, remove it, or append it as _anchor_",
				types: textType, prepare: anchor,
			}},
			example: `get_url_query_str("foo://example.com:8042/over/there?name=ferret#nose", "append")`,
			gives:   `{"name":"ferret","_anchor_":"nose"}`,
			call:    urlQuery,
		},
		{
			name: "get_url_encoded", category: catURL, about: "Encodes a text for use inside a URL.", returns: "the percent-encoded text",
			result: textType, params: []param{theText},
			example: `get_url_encoded("https://example.com/partneralliance_asia-pacific_2022")`,
			gives:   `"https%3A%2F%2Fexample.com%2Fpartneralliance_asia-pacific_2022"`,
			call: func(a args) (Value, error) {
				if err := a.fits(3 * len(a.text(0))); err != nil {
					return Value{}, err
				}
				return TextOf(strings.ReplaceAll(url.QueryEscape(a.text(0)), "+", "%20")), nil
			},
		},
		{
			name: "get_url_decoded", category: catURL, about: "Decodes a percent-encoded text; + is a blank.",
			returns: "the text; null if the encoding is invalid", result: textType, params: []param{theText},
			example: `get_url_decoded("https%3A%2F%2Fexample.com%2Fpartneralliance_asia-pacific_2022")`,
			gives:   `"https://example.com/partneralliance_asia-pacific_2022"`,
			call: func(a args) (Value, error) {
				s, ok := unescape(a.text(0))
				if !ok {
					return Value{}, nil
				}
				return TextOf(s), nil
			},
		},
	}
}

// unescape decodes s, which must hold valid UTF-8.
func unescape(s string) (string, bool) {
	out, err := url.QueryUnescape(s)
	return out, err == nil && strings.ToValidUTF8(out, "") == out
}

// parseURL returns nil for what is no URL with a scheme and a host.
func parseURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" && u.Scheme != "file" {
		return nil
	}
	return u
}

func anchor(s string) (any, error) {
	switch s {
	case "retain", "remove", "append":
		return s, nil
	}
	return nil, errors.New(`not "retain", "remove" or "append"`)
}

func urlQuery(a args) (Value, error) {
	what, err := a.made(1)
	if err != nil {
		return Value{}, err
	}
	u := parseURL(a.text(0))
	if u == nil {
		return Value{}, nil
	}
	var keys []string
	vals := map[string][]Value{}
	last := ""
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, ok := unescape(name)
		value, ok2 := unescape(value)
		if !ok || !ok2 {
			return Value{}, nil
		}
		if vals[name] == nil {
			keys = append(keys, name)
		}
		vals[name] = append(vals[name], TextOf(value))
		last = name
	}
	if u.Fragment != "" && what == "append" {
		if vals["_anchor_"] == nil {
			keys = append(keys, "_anchor_")
		}
		vals["_anchor_"] = append(vals["_anchor_"], TextOf(u.Fragment))
	}
	if at := vals[last]; u.Fragment != "" && what == "retain" && len(at) > 0 {
		at[len(at)-1] = TextOf(at[len(at)-1].s + "#" + u.Fragment)
	}
	out := make([]Value, len(keys))
	for i, k := range keys {
		if out[i] = vals[k][0]; len(vals[k]) > 1 {
			out[i] = ArrayOf(vals[k])
		}
	}
	v, _ := MapOf(keys, out)
	return v, nil
}
