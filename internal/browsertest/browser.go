// Package browsertest looks at pages with a real browser.
//
// A test drives a page as a user does. When the test ends, the page has to have asked
// nothing of any machine but this one, and the browser has to have had nothing to
// complain about: no error on the console, no exception, no breach of the page's
// content security policy.
//
// One Chromium serves all tests of a package. It is started by the first that needs it
// and stopped by Main, which the package's TestMain calls:
//
//	func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }
package browsertest

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tributary-data/tributary/internal/need"
)

// The variables by which scripts/test names the program and the folder in which the npm
// package axe-core is installed.
const (
	Program = "TRIBUTARY_TEST_CHROMIUM"
	AxeDir  = "TRIBUTARY_TEST_AXE"
)

// patience bounds every wait for a page. It is long: the machine may be busy, and a test
// that passes waits for nothing.
const patience = 30 * time.Second

// chromium is the program that the tests of a package share.
var chromium shared

type shared struct {
	mu      sync.Mutex
	main    bool // Main runs: somebody will stop what is started
	ctx     context.Context
	stop    func()
	failure error
}

// Main runs the tests of a package and stops the browser that they started.
// It returns the code to exit with.
func Main(m *testing.M) int {
	chromium.mu.Lock()
	chromium.main = true
	chromium.mu.Unlock()
	defer chromium.end()
	return m.Run()
}

// A Browser makes pages.
type Browser struct {
	ctx context.Context
}

// New returns the browser of this test binary. Without Chromium the test is skipped;
// under scripts/test it fails.
func New(t testing.TB) *Browser {
	t.Helper()
	ctx, err := chromium.start(need.Binary(t, Program))
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &Browser{ctx: ctx}
}

func (s *shared) start(program string) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil || s.failure != nil {
		return s.ctx, s.failure
	}
	if !s.main {
		return nil, fmt.Errorf("nobody would stop it: TestMain of the package must call browsertest.Main")
	}
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program),
		chromedp.NoSandbox, // tests run as root, in containers without user namespaces; the pages are ours
		chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), // a container's is small
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-domain-reliability", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("no-proxy-server", true),
		// What is not this machine has no address: a request to it is seen and comes to nothing.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost, EXCLUDE [::1]"),
		chromedp.Flag("lang", "en-US"),
		chromedp.Env("TZ=UTC"),
		chromedp.WSURLReadTimeout(2 * patience),
	})
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stopBrowser := chromedp.NewContext(allocator, chromedp.WithErrorf(complain))
	if err := chromedp.Run(ctx); err != nil {
		stopBrowser()
		stopAllocator()
		s.failure = err
		return nil, err
	}
	s.ctx = ctx
	s.stop = func() {
		_ = chromedp.Cancel(ctx) // asks it to close; the allocator waits for its end
		stopBrowser()
		stopAllocator()
	}
	return ctx, nil
}

// complain prints what chromedp could not read, as an event that is missing to the test.
// That it does not know all nodes of a newer browser is of no use to anybody.
func complain(format string, args ...any) {
	if !strings.HasPrefix(format, "unhandled") {
		fmt.Fprintf(os.Stderr, "chromedp: "+format+"\n", args...)
	}
}

func (s *shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
}
