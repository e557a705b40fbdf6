package expr

import (
	"regexp"
	"strings"
	"sync"
)

// An agent is what a user agent text tells of the program that sent it. It is
// read by the few marks that nearly all texts in use carry; there is no
// database of devices behind it.
type agent struct {
	os, osVersion string
	name, version string
	class         string
}

const unknown = "Unknown"

func agentFunctions() []*function {
	const sample = `("Mozilla/5.0 (iPhone; CPU iPhone OS 5_1_1 like Mac OS X) AppleWebKit/534.46 (KHTML, like Gecko) ` +
		`Version/5.1 Mobile/9B206 Safari/7534.48.3")`
	one := func(name, what, gives string, do func(a agent) string) *function {
		return &function{
			name: name, category: catAgent, about: "Reads the " + what + " out of a user agent text, for common programs.",
			returns: "the " + what + ", or Unknown", result: textType,
			params:  []param{{name: "user_agent", about: "the user agent text", types: textType}},
			example: name + sample, gives: `"` + gives + `"`,
			call: func(a args) (Value, error) {
				if err := a.spend(400 * len(a.text(0))); err != nil {
					return Value{}, err
				}
				return TextOf(do(readAgent(a.text(0)))), nil
			},
		}
	}
	join := func(name, version string) string { return strings.TrimSuffix(name+" "+version, " "+unknown) }
	major := func(version string) string {
		s, _, _ := strings.Cut(version, ".")
		return s
	}
	return []*function{
		one("ua_os_name", "name of the operating system", "iOS", func(a agent) string { return a.os }),
		one("ua_os_version_major", "name and major version of the operating system", "iOS 5", func(a agent) string {
			return join(a.os, major(a.osVersion))
		}),
		one("ua_os_version", "version of the operating system", "5.1.1", func(a agent) string { return a.osVersion }),
		one("ua_os_name_version", "name and version of the operating system", "iOS 5.1.1", func(a agent) string {
			return join(a.os, a.osVersion)
		}),
		one("ua_agent_version", "version of the program", "5.1", func(a agent) string { return a.version }),
		one("ua_agent_version_major", "name and major version of the program", "Safari 5", func(a agent) string {
			return join(a.name, major(a.version))
		}),
		one("ua_agent_name", "name of the program", "Safari", func(a agent) string { return a.name }),
		one("ua_device_class", "class of the device", "Phone", func(a agent) string { return a.class }),
	}
}

// A mark is a sign in a user agent text; its group, if there is one, holds a
// version.
type mark struct {
	re   *regexp.Regexp
	name string
}

func marks(pairs ...string) func() []mark {
	return sync.OnceValue(func() []mark {
		var list []mark
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, mark{regexp.MustCompile(pairs[i]), pairs[i+1]})
		}
		return list
	})
}

// The first mark that is found decides: texts name their ancestors too.
var (
	systems = marks(
		`(?:iPhone|CPU) OS (\d+(?:_\d+)*)`, "iOS",
		`iPhone|iPad|iPod`, "iOS",
		`Windows Phone(?: OS)? (\d+(?:\.\d+)*)`, "Windows Phone",
		`Windows NT (\d+(?:\.\d+)*)`, "Windows NT",
		`Android (\d+(?:\.\d+)*)`, "Android",
		`Android`, "Android",
		`CrOS \S+ (\d+(?:\.\d+)*)`, "Chrome OS",
		`Mac OS X (\d+(?:[._]\d+)*)`, "Mac OS",
		`Macintosh`, "Mac OS",
		`Linux|X11`, "Linux",
	)
	programs = marks(
		`(?i)(\w*(?:bot|crawler|spider)\w*)(?:/(\d+(?:\.\d+)*))?`, "",
		`(?:Edg|Edge|EdgA|EdgiOS)/(\d+(?:\.\d+)*)`, "Edge",
		`(?:OPR|Opera)/(\d+(?:\.\d+)*)`, "Opera",
		`SamsungBrowser/(\d+(?:\.\d+)*)`, "Samsung Browser",
		`(?:Firefox|FxiOS)/(\d+(?:\.\d+)*)`, "Firefox",
		`(?:Chrome|CriOS)/(\d+(?:\.\d+)*)`, "Chrome",
		`MSIE (\d+(?:\.\d+)*)`, "Internet Explorer",
		`Trident/.*rv:(\d+(?:\.\d+)*)`, "Internet Explorer",
		`Version/(\d+(?:\.\d+)*).*Safari/`, "Safari",
		`curl/(\d+(?:\.\d+)*)`, "Curl",
	)
	classes = marks(
		`(?i)bot\b|crawler|spider`, "Robot",
		`PlayStation|Xbox|Nintendo`, "Game Console",
		`(?i)smart-?tv|appletv|googletv|hbbtv|bravia`, "TV",
		`iPad|Tablet|Kindle|Silk/`, "Tablet",
		`iPhone|iPod|Windows Phone|Android.*Mobile`, "Phone",
		`Android`, "Tablet",
		`Mobile`, "Mobile",
		`Windows NT|Macintosh|CrOS|X11|Linux`, "Desktop",
	)
)

// look returns the name and the version that the first mark in s gives.
func look(s string, list []mark) (name, version string) {
	for _, m := range list {
		found := m.re.FindStringSubmatch(s)
		switch {
		case found == nil:
			continue
		case m.name == "" && found[2] != "":
			return found[1], found[2]
		case m.name == "":
			return found[1], unknown
		case len(found) > 1:
			return m.name, strings.ReplaceAll(found[1], "_", ".")
		}
		return m.name, unknown
	}
	return unknown, unknown
}

func readAgent(s string) agent {
	var a agent
	a.os, a.osVersion = look(s, systems())
	a.name, a.version = look(s, programs())
	a.class, _ = look(s, classes())
	return a
}
