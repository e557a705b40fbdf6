package lake

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/apache/iceberg-go/table"
	"modernc.org/sqlite"

	"github.com/tributary-data/tributary/internal/problem"
)

// Result codes of SQLite, https://sqlite.org/rescode.html.
const (
	sqliteReadOnly = 8
	sqliteFull     = 13
	sqliteCantOpen = 14
)

// fault adds to err what was being done. Where the machine is at fault in a
// way that a user can mend, the error says how.
func fault(err error, doing string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	code := 0
	if s, ok := errors.AsType[*sqlite.Error](err); ok {
		code = s.Code() & 0xff
	}
	switch {
	case errors.Is(err, table.ErrCommitFailed):
		return &problem.Error{
			Kind: problem.Stale, Err: err,
			Detail: "cannot " + doing + ": another program changed the table at the same time",
			Advice: "Run again",
		}
	case code == sqliteFull, is(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		return &problem.Error{
			Kind: problem.Internal, Err: err,
			Detail: "cannot " + doing + ": the disk is full",
			Advice: "Free some space and run again: the tables are as they were after their last commit",
		}
	case code == sqliteReadOnly, code == sqliteCantOpen, is(err, syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOTDIR):
		return &problem.Error{
			Kind: problem.Internal, Err: err,
			Detail: "cannot " + doing + ": the directory is not writable",
			Advice: "Give this user write permission, or choose another directory with --dir",
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func is(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
