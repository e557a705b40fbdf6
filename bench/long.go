package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// long runs the test of an account's life over many days with more and longer
// lives than the tests have time for. It prints a line for each life, and fails
// at the first difference between a copy and its account.
func long(ctx context.Context, lives, days int) error {
	cmd := exec.CommandContext(ctx, "go", "test", "./internal/app", "-run", "^TestLong$", "-count=1", "-v", "-timeout", "0",
		fmt.Sprintf("-long.runs=%d", lives), fmt.Sprintf("-long.days=%d", days))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
