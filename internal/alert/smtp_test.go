package alert_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/problem"
)

// A post is a mail server.
type post struct {
	listener net.Listener
	pool     *x509.CertPool
	tls      *tls.Config
	implicit bool   // TLS from the first byte
	hide     bool   // offers no STARTTLS
	auth     string // mechanisms
	refuse   map[string]string
	silent   bool // never greets

	mu   sync.Mutex
	got  []posted
	said []string // lines of clients
}

type posted struct {
	from, to, user, password string
	secure                   bool
	data                     string
}

func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

func (p *post) letters() []posted {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

// start serves until the test ends, and returns where.
func (p *post) start(t testing.TB) string {
	t.Helper()
	p.tls, p.pool = certificate(t)
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				p.serve(conn)
			})
		}
	})
	t.Cleanup(func() { _ = p.listener.Close(); wg.Wait() })
	return p.listener.Addr().String()
}

func (p *post) serve(conn net.Conn) {
	secure := p.implicit
	if p.implicit {
		conn = tls.Server(conn, p.tls)
	}
	r := bufio.NewReader(conn)
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	next := func() (string, bool) {
		l, err := r.ReadString('\n')
		l = strings.TrimRight(l, "\r\n")
		p.mu.Lock()
		p.said = append(p.said, l)
		p.mu.Unlock()
		return l, err == nil
	}
	if p.silent {
		_, _ = r.ReadByte()
		return
	}
	say("220 test")
	var m posted
	for {
		l, ok := next()
		if !ok {
			return
		}
		verb := strings.ToUpper(strings.SplitN(l, " ", 2)[0])
		if answer, ok := p.refuse[verb]; ok {
			say("%s", strings.ReplaceAll(answer, "{line}", l))
			continue
		}
		switch verb {
		case "EHLO":
			say("250-test")
			if !secure && !p.hide {
				say("250-STARTTLS")
			}
			say("250 AUTH %s", p.auth)
		case "STARTTLS":
			say("220 go")
			conn = tls.Server(conn, p.tls)
			r, secure = bufio.NewReader(conn), true
		case "AUTH":
			fields := strings.Fields(l)
			decode := func(s string) string {
				b, _ := base64.StdEncoding.DecodeString(s)
				return string(b)
			}
			if fields[1] == "PLAIN" {
				parts := strings.Split(decode(fields[2]), "\x00")
				m.user, m.password = parts[1], parts[2]
			} else {
				say("334 VXNlcm5hbWU6")
				user, _ := next()
				say("334 UGFzc3dvcmQ6")
				password, _ := next()
				m.user, m.password = decode(user), decode(password)
			}
			say("235 ok")
		case "MAIL":
			m.from = l
			say("250 ok")
		case "RCPT":
			m.to = l
			say("250 ok")
		case "DATA":
			say("354 go")
			var b strings.Builder
			for {
				l, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			m.data, m.secure = b.String(), secure
			p.mu.Lock()
			p.got = append(p.got, m)
			p.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("500 what")
		}
	}
}

const from = "Tributary <alerts@example.org>"

func client(t testing.TB, p *post, url string) *alert.SMTP {
	t.Helper()
	s, err := alert.ParseSMTP(url, from)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{RootCAs: p.pool, MinVersion: tls.VersionTLS12}
	return s
}

var letter = alert.Mail{ID: "an-id", To: "ops@example.com", Subject: "Dataflow \"Käse\" failed", Text: "Über.\n.dot\nend", At: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)}

const password = "s3cret/p&ss:wörd"

// Mail goes by STARTTLS, by TLS from the start or, to this machine, without,
// with either way of logging in.
func TestSMTP(t *testing.T) {
	t.Parallel()
	const login = "user%40example.org:s3cret%2Fp%26ss%3Aw%C3%B6rd@"
	tests := []struct {
		name   string
		server post
		url    string // with HOST
		secure bool
		user   string
	}{
		{"STARTTLS", post{auth: "PLAIN LOGIN"}, "smtp://" + login + "HOST", true, "user@example.org"},
		{"LOGIN", post{auth: "LOGIN"}, "smtp://" + login + "HOST", true, "user@example.org"},
		{"TLS", post{auth: "PLAIN", implicit: true}, "smtps://" + login + "HOST", true, "user@example.org"},
		{"none", post{}, "smtp://HOST?tls=none", false, ""},
		{"none, logged in", post{auth: "PLAIN"}, "smtp://" + login + "HOST?tls=none", false, "user@example.org"},
		{"STARTTLS without login", post{}, "smtp://HOST", true, ""},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &tt.server
			s := client(t, p, strings.Replace(tt.url, "HOST", p.start(t), 1))
			s.TLS.RootCAs = p.pool
			if err := s.Send(t.Context(), letter); err != nil {
				t.Fatal(err)
			}
			got := p.letters()[0]
			if got.secure != tt.secure || got.user != tt.user || got.user != "" && got.password != password {
				t.Errorf("%+v", got)
			}
			if got.from != "MAIL FROM:<alerts@example.org>" || got.to != "RCPT TO:<ops@example.com>" {
				t.Error(got.from, got.to)
			}
			m, text := parse(t, got.data)
			if text != "Über.\r\n.dot\r\nend" {
				t.Errorf("%q", text)
			}
			for name, want := range map[string]string{
				"From": `"Tributary" <alerts@example.org>`, "To": "<ops@example.com>", "Subject": letter.Subject, "Date": "Mon, 02 Mar 2026 10:00:00 +0000",
				"Message-Id": "<an-id@example.org>", "Auto-Submitted": "auto-generated", "Content-Type": "text/plain; charset=utf-8",
			} {
				if got := decoded(t, m.Header.Get(name)); got != want {
					t.Errorf("%s: %q", name, got)
				}
			}
			if at, err := m.Header.Date(); err != nil || !at.Equal(letter.At) {
				t.Error(at, err)
			}
		})
	}
}

func parse(t testing.TB, data string) (*netmail.Message, string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m, strings.TrimSuffix(string(text), "\r\n")
}

func decoded(t testing.TB, header string) string {
	t.Helper()
	text, err := new(mime.WordDecoder).DecodeHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What a server refuses is told by what can be done about it, without the
// password in any form.
func TestSMTPRefuses(t *testing.T) {
	t.Parallel()
	const ours = "smtp://user:s3cret%2Fp%26ss@HOST"
	tests := []struct {
		name   string
		server post
		url    string
		kind   problem.Kind
		says   string
	}{
		{"login", post{auth: "PLAIN", refuse: map[string]string{"AUTH": "535 no {line}"}}, ours, problem.Unavailable, "refused the user or the password: 535"},
		{"no STARTTLS", post{auth: "PLAIN", hide: true}, ours, problem.Unavailable, "does not offer STARTTLS"},
		{"address for ever", post{auth: "PLAIN", refuse: map[string]string{"RCPT": "550 no mailbox"}}, ours, problem.Invalid, "refused the address: 550 no mailbox"},
		{"address for now", post{auth: "PLAIN", refuse: map[string]string{"RCPT": "450 grey\x1b[31m"}}, ours, problem.Unavailable, "refused the address: 450 grey [31m"},
		{"sender", post{auth: "PLAIN", refuse: map[string]string{"MAIL": "550 not you"}}, ours, problem.Unavailable, "refused the sender: 550 not you"},
		{"not TLS", post{auth: "PLAIN", hide: true}, "smtps://user:s3cret%2Fp%26ss@HOST", problem.Unavailable, "the handshake of TLS"},
		{"talks too much", post{refuse: map[string]string{"EHLO": "250-" + strings.Repeat("x", 300<<10)}}, ours, problem.Unavailable, "says too much"},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &tt.server
			s := client(t, p, strings.Replace(tt.url, "HOST", p.start(t), 1))
			s.TLS.RootCAs = p.pool
			err := s.Send(t.Context(), letter)
			if problem.KindOf(err) != tt.kind || err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Error(err)
			}
			notTold(t, "s3cret/p&ss", fmt.Sprint(err))
			if got := p.letters(); len(got) != 0 {
				t.Error(got)
			}
		})
	}
}

// A certificate of nobody's ends it before the password is said.
func TestSMTPStranger(t *testing.T) {
	t.Parallel()
	p := &post{auth: "PLAIN"}
	s := client(t, p, "smtp://user:s3cret@"+p.start(t))
	s.TLS.RootCAs = x509.NewCertPool()
	if err := s.Send(t.Context(), letter); problem.KindOf(err) != problem.Unavailable {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.said {
		if strings.HasPrefix(l, "AUTH") {
			t.Error(l)
		}
	}
}

// A server that says nothing is left when the caller goes.
func TestSMTPSilent(t *testing.T) {
	t.Parallel()
	p := &post{silent: true}
	s := client(t, p, "smtp://"+p.start(t)+"?tls=none")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := s.Send(ctx, letter); problem.KindOf(err) != problem.Unavailable {
		t.Error(err)
	}
}

func notTold(t testing.TB, secret, text string) {
	t.Helper()
	for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("\x00user\x00" + secret))} {
		if strings.Contains(text, form) {
			t.Errorf("the password is told: %s", text)
		}
	}
}

// URLs that mean nothing, or would tell a password, are refused in words that
// hold nothing of them.
func TestParseSMTP(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "mail.example.org", "http://u:s3cret@h", "smtp://u:s3cret@", "smtp://u:s3cret@h:0", "smtp://u:s3cret@h:99999", "smtp://u:s3cret@h/path", "smtp://u:s3cret@h?tls=off",
		"smtp://u:s3cret@h?tls=none", "smtps://h?tls=none", "smtp://u:s3cret@h?x=y", "smtp://u:s3%0Acret@h", "smtp://u:s3cret@h h", "smtp://u:s3%zzcret@h",
	} {
		if _, err := alert.ParseSMTP(bad, from); problem.KindOf(err) != problem.Invalid || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, bad := range []string{"", "nobody", "a@b\r\nBcc: c@d", "Ä <ä@example.org>", `"a b"@example.org`} {
		if _, err := alert.ParseSMTP("smtp://h", bad); err == nil {
			t.Errorf("%q: taken", bad)
		}
	}
	s, err := alert.ParseSMTP("smtps://user:s3cret@Mail.Example.org", from)
	if err != nil || s.Host != "mail.example.org" || s.Port != 465 {
		t.Fatal(s, err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if all := fmt.Sprintf("%v %+v %#v %s %q %s %s", s, s, s, s, s, text, s.LogValue()); strings.Contains(all, "s3cret") || !strings.Contains(all, "mail.example.org:465") {
		t.Error(all)
	}
}

// Whatever a dataflow is called, a mail has the headers that we write and no
// others, and its lines are ones that servers take.
func FuzzMail(f *testing.F) {
	for _, s := range []string{"F", "a\r\nBcc: x@example.com\r\n\r\nbody", "=?utf-8?q?x?=", strings.Repeat("ä", 300), "\xff\x00\u2028\u202e", ".\r\n.", strings.Repeat("x ", 200), "日本語の名前がとても長い場合でも大丈夫でしょうか確認します"} {
		f.Add(s, s)
	}
	p := &post{}
	s := client(f, p, "smtp://"+p.start(f)+"?tls=none")
	w := newWorld(f, "")
	service := w.service()
	service.Mail = s
	sub, _ := subscribe(f, service, prod, alert.Subscription{Channel: alert.Email, To: []string{"ops@example.com"}})
	run(f, service)
	n := 0
	f.Fuzz(func(t *testing.T, name, text string) {
		p.mu.Lock()
		p.got = nil
		p.mu.Unlock()
		n++
		tell(t, service, prod, alert.Event{Kind: alert.RunFailure, Flow: fmt.Sprint(n), FlowName: name, Text: text})
		w.idle(t, service)
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.got) != 1 {
			t.Fatalf("%d mails: %s", len(p.got), w.log)
		}
		data := p.got[0].data
		m, body := parse(t, data)
		if len(m.Header) != 9 {
			t.Errorf("headers: %v", m.Header)
		}
		if subject := decoded(t, m.Header.Get("Subject")); !strings.HasPrefix(subject, "[Tributary prod] ") || strings.ContainsAny(subject, "\r\n") {
			t.Errorf("subject %q", subject)
		}
		if !strings.HasSuffix(body, "of Tributary.") || !strings.Contains(body, fmt.Sprintf("%q", sub.Name)) {
			t.Errorf("body %q", body)
		}
		for l := range strings.SplitSeq(strings.TrimSuffix(data, "\r\n"), "\r\n") {
			if len(l) > 78 || strings.ContainsFunc(l, func(c rune) bool { return c < ' ' && c != '\t' || c > '~' }) {
				t.Errorf("line %q", l)
			}
		}
	})
}
