package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// A message is what is told of an event. It is also the stored form. Times are
// epoch ms.
type message struct {
	EventID  string          `json:"eventId"` // UUID, the same in each try
	Kind     Kind            `json:"kind"`
	Flow     string          `json:"flowId,omitempty"`
	FlowName string          `json:"flowName,omitempty"`
	Run      string          `json:"runId,omitempty"`
	Resource string          `json:"resource,omitempty"`
	Title    string          `json:"title"`
	Text     string          `json:"text,omitempty"`
	Count    int             `json:"count,omitempty"` // how often it happened
	At       int64           `json:"at"`
	Last     int64           `json:"last,omitempty"` // of what happened more than once
	Value    json.RawMessage `json:"value,omitempty"`
	Events   []message       `json:"events,omitempty"` // of a digest
	More     int             `json:"more,omitempty"`   // of a digest: events that did not fit
}

func newMessage(id string, e Event) message {
	m := message{
		EventID: id, Kind: e.Kind, Flow: e.Flow, FlowName: e.FlowName, Run: e.Run, Resource: e.Resource,
		Title: e.Title, Text: e.Text, At: e.At.UnixMilli(), Value: e.Body,
	}
	if m.Title == "" {
		m.Title = m.usualTitle()
	}
	return m
}

// usualTitle says in one line what happened.
func (m message) usualTitle() string {
	flow := fmt.Sprintf("Dataflow %q", cmp.Or(m.FlowName, m.Flow))
	if m.FlowName == "" && m.Flow == "" {
		flow = "A dataflow"
	}
	of := ""
	if m.Resource != "" {
		of = " of " + m.Resource
	}
	title := map[Kind]string{
		RunStart: flow + " has begun a run", RunSuccess: flow + " succeeded", RunNoData: flow + " succeeded and brought no data",
		RunFailure: flow + " failed", RunDelay: flow + " is late", Recovered: flow + " works again",
		ReadBudget: "Stripe's read allocation is running out", Drift: "Stripe sends something new" + of,
	}[m.Kind]
	return line(title, maxTitle)
}

// recovery is the message that failures have ended, made of that of the success.
func (m message) recovery() message {
	m.EventID = named(m.EventID, string(Recovered))
	m.Kind = Recovered
	m.Title = m.usualTitle()
	return m
}

// facts are what a mail says of an event beside its text.
func (m message) facts(p place) string {
	var b strings.Builder
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-10s %s\n", name+":", line(value, 2*maxTitle))
		}
	}
	flow := m.FlowName
	if m.Flow != "" {
		flow = strings.TrimSpace(flow + " (" + m.Flow + ")")
	}
	fact("Dataflow", flow)
	fact("Run", m.Run)
	fact("Resource", m.Resource)
	fact("When", m.when())
	fact("Sandbox", p.Name)
	return b.String()
}

func (m message) when() string {
	if m.Count > 1 && m.Last > m.At {
		return fmt.Sprintf("%d times, %s to %s", m.Count, moment(m.At), moment(m.Last))
	}
	return moment(m.At)
}

// body is the text of a mail.
func (m message) body(p place, subscription string) string {
	var b strings.Builder
	if m.Kind == Digest {
		for _, e := range m.Events {
			fmt.Fprintf(&b, "- %s\n  %s\n", e.Title, e.when())
			if first, _, _ := strings.Cut(e.Text, "\n"); first != "" {
				fmt.Fprintf(&b, "  %s\n", first)
			}
		}
		if m.More > 0 {
			fmt.Fprintf(&b, "- and %d more, which the application shows\n", m.More)
		}
		fmt.Fprintf(&b, "\nSandbox: %s\n", p.Name)
	} else {
		b.WriteString(m.Title + ".\n\n")
		if m.Text != "" {
			b.WriteString(m.Text + "\n\n")
		}
		b.WriteString(m.facts(p))
	}
	fmt.Fprintf(&b, "\n-- \nYou get this because of the alert subscription %q of Tributary.\n", subscription)
	return b.String()
}

// A digest lists so many events in full.
const maxDigest = 200

// digestOf makes one message of many.
func digestOf(id string, at int64, all []message) message {
	d := message{EventID: id, Kind: Digest, At: at, Count: len(all)}
	d.Title = fmt.Sprintf("%d alerts", len(all))
	if len(all) == 1 {
		d.Title = "1 alert"
	}
	d.More = max(0, len(all)-maxDigest)
	for _, m := range all[:len(all)-d.More] {
		m.Value = nil
		d.Events = append(d.Events, m)
	}
	return d
}
