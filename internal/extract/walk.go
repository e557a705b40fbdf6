package extract

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Page is what one list request brought: complete objects of one range, and
// what the request changed about the ranges.
type Page struct {
	Items   []rawjson.Item // objects inside the range, newest first
	Range   Range          // as it is once the items have landed
	Closed  bool           // nothing is left of the range
	Opened  []Range        // what was split off it
	Start   time.Time      // Stripe's time when the request began
	Version string         // Stripe-Version of the answer
	Request string         // Stripe's request id

	source *stripe.Page
}

// Release returns the page's memory; its items are not valid any more.
func (p *Page) Release() { p.source.Release() }

// A Walk reads the open ranges of one resource.
type Walk struct {
	Client   *stripe.Client
	Resource stripe.Resource
	// Rate is the number of requests per second that the resource's list may
	// take, 0 for no limit. It decides how many requests are in flight.
	Rate float64
	// Progress, if set, is told the estimated number of pages left.
	Progress func(pagesLeft float64)

	ranges  []*reading
	nextID  int
	flying  int
	latency time.Duration // smoothed time of one request
}

// reading is a range with what is known about its density.
type reading struct {
	Range
	top     int64 // created of the newest object possible when reading began
	objects int64 // read since then
	pages   int
	busy    bool
	bogus   int // answers in a row that did not belong to the request
	lost    int // cursors that were gone, without a step forward between them
}

// maxBogus is how many impossible answers in a row a range survives: a proxy
// may repeat a page, a server that keeps doing so is broken. It is also how
// many of the objects at one place may be deleted while it is read.
const maxBogus = 5

type answer struct {
	r    *reading
	page *stripe.Page
	took time.Duration
	err  error
}

// Run reads all ranges and hands each page to emit, which may block and owns
// the page from then on. Pages of one range come in order. Run returns the
// first error of a request or of emit, after the requests in flight ended.
func (w *Walk) Run(ctx context.Context, open []Range, emit func(*Page) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, r := range open {
		w.nextID = max(w.nextID, r.ID)
		w.ranges = append(w.ranges, newReading(r))
	}
	answers := make(chan answer)
	var failed error
	for {
		if failed == nil {
			w.launch(ctx, answers)
		}
		if w.flying == 0 {
			return failed
		}
		a := <-answers
		w.flying--
		a.r.busy = false
		if failed != nil {
			if a.page != nil {
				a.page.Release()
			}
			continue
		}
		if err := w.take(a, emit); err != nil {
			failed = err
			cancel()
		}
	}
}

func newReading(r Range) *reading {
	top := r.To
	if r.After != "" {
		top = r.AfterAt + 1
	}
	return &reading{Range: r, top: top}
}

// launch sends requests for the ranges with the most left, as many as the
// rate can use.
func (w *Walk) launch(ctx context.Context, answers chan<- answer) {
	for w.flying < w.lanes() {
		var r *reading
		for _, c := range w.ranges {
			if !c.busy && (r == nil || c.left() > r.left()) {
				r = c
			}
		}
		if r == nil {
			return
		}
		r.busy = true
		w.flying++
		left := w.left()
		go func() {
			page, took, err := w.fetch(ctx, r.Range, left)
			answers <- answer{r, page, took, err}
		}()
	}
}

// lanes is the number of requests in flight that keeps the rate busy: rate
// times latency, and some to spare.
func (w *Walk) lanes() int {
	if w.Rate == 0 || w.latency == 0 {
		return 4
	}
	return min(max(int(math.Ceil(1.4*w.Rate*w.latency.Seconds()))+1, 3), 16)
}

// left estimates the pages left of the range from the density read so far. A
// range without a known beginning is taken to hold as much again.
func (r *reading) left() float64 {
	bottom := r.top
	if r.After != "" {
		bottom = r.AfterAt
	}
	if r.objects == 0 {
		return 1
	}
	if r.From == 0 {
		return float64(r.pages)
	}
	density := float64(r.objects) / float64(r.top-bottom+1)
	return density * float64(bottom-r.From) / stripe.PageSize
}

func (w *Walk) left() float64 {
	var sum float64
	for _, r := range w.ranges {
		sum += r.left()
	}
	return sum
}

// fetch reads the next page of r and completes the lists inside its objects.
func (w *Walk) fetch(ctx context.Context, r Range, priority float64) (*stripe.Page, time.Duration, error) {
	q := url.Values{"created[lt]": {strconv.FormatInt(r.To, 10)}}
	if r.From > 0 {
		q.Set("created[gte]", strconv.FormatInt(r.From, 10))
	}
	if r.After != "" {
		q.Set("starting_after", r.After)
	}
	page, err := w.Client.List(ctx, w.Resource, w.Resource.Variants[r.Variant], q, priority)
	if err != nil {
		return nil, 0, err
	}
	took := page.Resp.Took
	if page.List.NestedMore {
		if err := complete(ctx, w.Client, page.List.Items); err != nil {
			page.Release()
			return nil, 0, err
		}
	}
	return page, took, nil
}

// take turns an answer into a page and moves its range on.
func (w *Walk) take(a answer, emit func(*Page) error) error {
	r := a.r
	if w.again(r, a.err) {
		return nil
	}
	if a.err != nil {
		return fmt.Errorf("%s created in [%s, %s): %w", w.Resource.Name, day(r.From), day(r.To), a.err)
	}
	if w.latency == 0 {
		w.latency = a.took
	}
	w.latency += (a.took - w.latency) / 8

	items := a.page.List.Items
	if !r.fits(items) {
		a.page.Release()
		if r.bogus++; r.bogus > maxBogus {
			return &problem.Error{
				Kind:   problem.Unavailable,
				Detail: fmt.Sprintf("%s: the server keeps answering with objects that were not asked for (request %s)", w.Resource.Name, a.page.Resp.RequestID),
			}
		}
		return nil
	}
	r.bogus = 0
	r.pages++
	r.objects += int64(len(items))
	closed := !a.page.List.HasMore || len(items) == 0
	if !closed && !r.advance(items) {
		a.page.Release()
		return &problem.Error{
			Kind:   problem.Unavailable,
			Detail: fmt.Sprintf("%s: a whole page of objects has no usable id, so the list can't be continued (request %s)", w.Resource.Name, a.page.Resp.RequestID),
		}
	}
	p := &Page{
		Items: items, Closed: closed,
		Start: a.page.Resp.Start, Version: a.page.Resp.Version, Request: a.page.Resp.RequestID,
		source: a.page,
	}
	if closed {
		w.drop(r)
	} else {
		p.Opened = w.split(r)
	}
	p.Range = r.Range
	if w.Progress != nil {
		w.Progress(w.left())
	}
	return emit(p)
}

// again says whether err is that starting_after names nothing any more, and
// prepares r for being read again.
func (w *Walk) again(r *reading, err error) bool {
	var e *stripe.Error
	if !errors.As(err, &e) || !e.CursorGone() {
		return false
	}
	if e.Endpoint != w.Resource.Path {
		// A list inside an object changed while it was read: the page is read anew.
		r.bogus++
		return r.bogus <= maxBogus
	}
	if r.AfterAt+1 < r.To {
		r.lost = 0
	}
	if r.lost++; r.After == "" || r.lost > maxBogus {
		return false
	}
	// The object that marked the place was deleted: begin again at its second.
	// What is read twice is recognised by id.
	r.Unmark()
	return true
}

func day(unix int64) string {
	if unix == 0 {
		return "the beginning"
	}
	return time.Unix(unix, 0).UTC().Format(time.RFC3339)
}

// fits says whether the items can be an answer to the range's request: inside
// the window and behind the cursor.
func (r *reading) fits(items []rawjson.Item) bool {
	for _, it := range items {
		if it.Created >= 0 && (it.Created < r.From || it.Created >= r.To || r.After != "" && it.Created > r.AfterAt) {
			return false
		}
		if r.After != "" && string(it.ID) == r.After {
			return false
		}
	}
	return true
}

// advance moves the cursor to the last item that has an id and a time.
func (r *reading) advance(items []rawjson.Item) bool {
	for _, item := range slices.Backward(items) {
		if len(item.ID) > 0 && item.Created >= 0 {
			r.After, r.AfterAt = string(item.ID), item.Created
			return true
		}
	}
	return false
}

func (w *Walk) drop(r *reading) {
	for i, c := range w.ranges {
		if c == r {
			w.ranges = append(w.ranges[:i], w.ranges[i+1:]...)
			return
		}
	}
}
