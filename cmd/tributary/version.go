package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/tributary-data/tributary/internal/stripe"
)

type versionCmd struct{}

// Run prints the build and the version of Stripe's API that it reads.
func (versionCmd) Run() error {
	fmt.Printf("tributary %s, %s %s/%s, Stripe API %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, stripe.Version)
	return nil
}

// version is the version of the module that this program was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
