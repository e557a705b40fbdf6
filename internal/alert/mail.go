package alert

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Mail is one mail to one address.
type Mail struct {
	ID      string // the same in each try
	To      string // an address without a name
	Subject string // one line
	Text    string
	At      time.Time
}

// mail sends a message to one address of a subscription.
func (s *Service) mail(ctx context.Context, p place, sub Subscription, m message, to string) error {
	if s.Mail == nil {
		return problem.Errorf(problem.Unavailable, "this server sends no mail: its operator names a mail server with --smtp-url")
	}
	return s.Mail.Send(ctx, Mail{
		ID: named(m.EventID, to), To: to, At: s.Now(), Text: m.body(p, sub.Name),
		Subject: line("[Tributary "+p.Name+"] "+m.Title, maxTitle),
	})
}

// bytes writes the mail with its headers (RFC 5322). What comes from outside
// stands in the subject and the text alone, and both are encoded.
func (m Mail) bytes(from netmail.Address) []byte {
	var b bytes.Buffer
	_, domain, _ := strings.Cut(from.Address, "@")
	header := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	header("From", from.String())
	header("To", "<"+m.To+">")
	header("Subject", subject(m.Subject))
	header("Date", m.At.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	header("Message-ID", "<"+m.ID+"@"+domain+">")
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(m.Text, "\n", "\r\n"))) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}

// subject encodes a line for a header, unless it is short, of ASCII alone, and
// nothing that could be taken for something encoded.
func subject(text string) string {
	text = line(text, maxTitle)
	if len(text) <= 60 && !strings.Contains(text, "=?") && !strings.ContainsFunc(text, func(c rune) bool { return c > '~' }) {
		return text
	}
	return encoded(text)
}

// encoded writes encoded-words (RFC 2047), a line each, that hold whole
// characters.
func encoded(text string) string {
	const most = 39 // bytes: 52 in base64, with what stands around them no more than 76
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(word.String()))+"?=")
			word.Reset()
		}
	}
	for _, c := range text {
		if word.Len()+len(string(c)) > most {
			flush()
		}
		word.WriteRune(c)
	}
	flush()
	return strings.Join(words, "\r\n ")
}
