package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// memoryLimit is a soft bound on the memory of Go's side of the process: the
// collector works harder before the process grows beyond it.
const memoryLimit = 114 << 20

// bounded says whether the bound is ours to set.
func bounded() bool { return os.Getenv("GOMEMLIMIT") == "" }

// limitFor returns the bound for a process in which so many bytes are in use. A
// bound near to what is in use has the collector run without end: a server that
// decides for a million customers would spend three quarters of its time on that.
func limitFor(live uint64) int64 { return max(memoryLimit, int64(2*live)+32<<20) } //nolint:gosec // no memory is so large

// keepRoom moves the bound with what is in use, until ctx ends: a server knows
// exposures, members of audiences and models by heart.
func keepRoom(ctx context.Context) {
	if !bounded() {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	set := int64(memoryLimit)
	for {
		metrics.Read(sample)
		// Setting it stops all else for a moment, so small steps are left out.
		if want := limitFor(sample[0].Value.Uint64()); want > set+set/8 || want < set-set/8 {
			debug.SetMemoryLimit(want)
			set = want
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// spareProcessor lets a server with one processor do something else while it waits for
// the disk. Go's scheduler has as many places to run code as there are processors, and
// takes away that of a call to the kernel late: a flush would hold up all else.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) == 1 {
		runtime.GOMAXPROCS(2)
	}
}
