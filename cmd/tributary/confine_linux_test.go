package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
)

// Variables that confine the command.
const (
	withoutPowers = "TRIBUTARY_TEST_WITHOUT_POWERS" // root's permission to write everywhere is given up
	fileLimit     = "TRIBUTARY_TEST_FILE_LIMIT"     // bytes that a file may have
)

// Linux's prctl and capabilities, see capabilities(7).
const (
	prCapBSetDrop    = 24
	capDACOverride   = 1
	capDACReadSearch = 2
)

// confine applies what the environment asks for.
func confine() error {
	if os.Getenv(withoutPowers) != "" && os.Geteuid() == 0 {
		return giveUpPowers()
	}
	if text := os.Getenv(fileLimit); text != "" {
		limit, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ)
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	return nil
}

// giveUpPowers starts the program anew as a root that permissions bind: what
// root has after exec is bounded by what the thread has left.
func giveUpPowers() error {
	runtime.LockOSThread()
	for _, power := range []uintptr{capDACOverride, capDACReadSearch} {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prCapBSetDrop, power, 0); errno != 0 {
			return fmt.Errorf("give up capability %d: %w", power, errno)
		}
	}
	if err := os.Unsetenv(withoutPowers); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
}
