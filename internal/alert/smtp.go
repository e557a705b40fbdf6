package alert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/smtp"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// An SMTP sends mail by a server. It prints without its password.
type SMTP struct {
	Host string
	Port uint16
	// Dial connects; nil for the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is for tests; nil for the certificates that the system trusts.
	TLS *tls.Config

	from     netmail.Address
	user     string
	password string
	implicit bool // TLS from the first byte
	plain    bool // no TLS at all
}

// sendTime is how long a mail may take, and helloName is what we call ourselves.
const (
	sendTime  = 30 * time.Second
	helloName = "localhost"
)

// ParseSMTP reads where mail goes to and whom it comes from:
//
//	smtp://user:password@host:587           with STARTTLS, which the server must offer
//	smtps://user:password@host:465          TLS from the first byte
//	smtp://host:25?tls=none                 in the clear; with a password to this machine only
//
// Errors repeat nothing of the URL: it holds a password.
func ParseSMTP(text, from string) (*SMTP, error) {
	bad := func(format string, args ...any) (*SMTP, error) {
		return nil, problem.Errorf(problem.Invalid, "the URL of the mail server: "+format, args...)
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return bad("it is not of the form smtp://user:password@host:587; special characters of the password are written as %%40 and so on")
	}
	s := &SMTP{Host: strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), user: u.User.Username()}
	s.password, _ = u.User.Password()
	switch u.Scheme {
	case "smtp":
		s.Port = 587
	case "smtps":
		s.Port, s.implicit = 465, true
	default:
		return bad("it begins with neither smtp:// nor smtps://")
	}
	if p := u.Port(); p != "" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil || port == 0 {
			return bad("its port is none")
		}
		s.Port = uint16(port)
	}
	query := u.Query()
	s.plain = query.Get("tls") == "none"
	query.Del("tls")
	switch {
	case strings.Trim(u.Path, "/") != "" || u.Fragment != "" || len(query) > 0 || u.Query().Has("tls") && !s.plain:
		return bad("behind the host stands what is not known; only ?tls=none is")
	case s.plain && s.implicit:
		return bad("smtps:// and tls=none contradict each other")
	case s.plain && s.user != "" && !s.local():
		return bad("with tls=none the password would go over the network in the clear")
	case strings.ContainsFunc(s.user+s.password, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return bad("its user or password has control characters")
	}
	a, err := netmail.ParseAddress(from)
	if err != nil || !address.MatchString(a.Address) || line(a.Name, maxTitle) != a.Name {
		return nil, problem.Errorf(problem.Invalid, "the sender of mail is no address such as alerts@example.com or Tributary <alerts@example.com>")
	}
	s.from = *a
	return s, nil
}

func (s *SMTP) local() bool {
	ip := net.ParseIP(s.Host)
	return s.Host == "localhost" || ip != nil && ip.IsLoopback()
}

// String names the server.
func (s *SMTP) String() string { return net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port))) }

// Format prints String for each verb.
func (s *SMTP) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is for slog.
func (s *SMTP) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes String.
func (s *SMTP) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", s.String()), nil }

// Send sends one mail.
func (s *SMTP) Send(ctx context.Context, m Mail) error {
	if !address.MatchString(m.To) {
		return problem.Errorf(problem.Invalid, "an address is not valid")
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := s.send(conn, m); err != nil {
		if ctx.Err() != nil {
			return problem.Errorf(problem.Unavailable, "the mail server %s did not take the mail within %s", s, sendTime)
		}
		return err
	}
	return nil
}

func (s *SMTP) connect(ctx context.Context) (net.Conn, error) {
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", s.String())
	if err != nil {
		return nil, &problem.Error{Kind: problem.Unavailable, Detail: fmt.Sprintf("the mail server %s can't be reached", s), Err: err}
	}
	if !s.implicit {
		return conn, nil
	}
	secure := tls.Client(conn, s.config())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, s.failed("the handshake of TLS", err)
	}
	return secure, nil
}

func (s *SMTP) config() *tls.Config {
	c := s.TLS.Clone()
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	c.ServerName = s.Host
	return c
}

func (s *SMTP) send(conn net.Conn, m Mail) error {
	c, err := smtp.NewClient(&bounded{Conn: conn, left: 256 << 10}, s.Host)
	if err != nil {
		return s.failed("its greeting", err)
	}
	defer c.Close()
	if err := c.Hello(helloName); err != nil {
		return s.failed("EHLO", err)
	}
	if !s.plain && !s.implicit {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return problem.Errorf(problem.Unavailable, "the mail server %s does not offer STARTTLS; smtps:// or ?tls=none may be what it wants", s)
		}
		if err := c.StartTLS(s.config()); err != nil {
			return s.failed("STARTTLS", err)
		}
	}
	if s.user != "" {
		if err := c.Auth(s.auth(c)); err != nil {
			return s.refused(err)
		}
	}
	if err := c.Mail(s.from.Address); err != nil {
		return s.failed("the sender", err)
	}
	if err := c.Rcpt(m.To); err != nil {
		return s.final("the address", err)
	}
	w, err := c.Data()
	if err != nil {
		return s.failed("DATA", err)
	}
	if _, err := w.Write(m.bytes(s.from)); err != nil {
		return s.failed("the mail", err)
	}
	if err := w.Close(); err != nil {
		return s.final("the mail", err)
	}
	_ = c.Quit() // the mail is taken; a server that hangs up now changes nothing
	return nil
}

// final says what became of a step after which a refusal is about this mail.
func (s *SMTP) final(step string, err error) error {
	if t := (*textproto.Error)(nil); errors.As(err, &t) && t.Code >= 500 {
		return problem.Errorf(problem.Invalid, "the mail server %s refused %s: %s", s, step, said(t))
	}
	return s.failed(step, err)
}

func (s *SMTP) failed(step string, err error) error {
	if t := (*textproto.Error)(nil); errors.As(err, &t) {
		return problem.Errorf(problem.Unavailable, "the mail server %s refused %s: %s", s, step, said(t))
	}
	return &problem.Error{Kind: problem.Unavailable, Detail: fmt.Sprintf("the mail server %s failed at %s", s, step), Err: err}
}

// refused words a failure to log in by its number alone: some servers repeat
// what they were sent.
func (s *SMTP) refused(err error) error {
	if t := (*textproto.Error)(nil); errors.As(err, &t) {
		return problem.Errorf(problem.Unavailable, "the mail server %s refused the user or the password: %d", s, t.Code)
	}
	return problem.Errorf(problem.Unavailable, "logging in at the mail server %s failed", s)
}

func said(t *textproto.Error) string { return fmt.Sprintf("%d %s", t.Code, line(t.Msg, maxTitle/2)) }

// auth chooses among what the server offers. It is asked after TLS is up.
func (s *SMTP) auth(c *smtp.Client) smtp.Auth {
	_, offered := c.Extension("AUTH")
	names := strings.Fields(strings.ToUpper(offered))
	if slices.Contains(names, "LOGIN") && !slices.Contains(names, "PLAIN") {
		return &login{user: s.user, password: s.password}
	}
	return smtp.PlainAuth("", s.user, s.password, s.Host)
}

// login is the mechanism LOGIN, the only one of some servers.
type login struct {
	user, password string
	step           int
}

// Start begins it.
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS && server.Name != "localhost" && server.Name != "127.0.0.1" && server.Name != "::1" {
		return "", nil, errors.New("unencrypted connection")
	}
	return "LOGIN", nil, nil
}

// Next answers the server's two questions.
func (l *login) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	l.step++
	switch l.step {
	case 1:
		return []byte(l.user), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, errors.New("the server asks too much")
}

// bounded ends a connection on which the server says too much: what it says is
// kept in memory a line at a time.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("the server says too much")
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
