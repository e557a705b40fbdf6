// Package exposure keeps which unit was shown which variant of an experiment.
// What is put is on the disk when Put returns, each exposure counts once, and a
// unit can be forgotten.
//
// # On the disk
//
// A folder per sandbox holds segments, which are only ever appended to:
//
//	exposures/<sandbox>/lock                  flock: shared to append or to list, exclusive to rewrite
//	exposures/<sandbox>/generation            a number; another one after each rewrite
//	exposures/<sandbox>/<ms>-<uuid>.exposures
//
// A process has a segment of its own, so several may serve decisions: each knows
// what was there when it began, what it wrote itself, and what others had written
// when it last looked (Follow); what two of them wrote both is dropped when it is read. A segment begins with a line that names
// its format, and is a sequence of frames: length of the payload (4 bytes), its
// CRC-32C (4 bytes), payload. A frame is what one fsync made durable: records of a
// length (2 bytes), the experiment's UUID (16), the phase (4), milliseconds of Unix
// time (8), the length of the variant (1), variant, unit. Numbers are
// big-endian. A process that is killed leaves, at the end of its segment, at most one frame
// that is not whole: nobody was answered for it, and it is passed over.
package exposure

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/problem"
)

// An Exposure is one unit that got one variant. Of an experiment, phase and unit
// there is one: the first.
type Exposure struct {
	Experiment uuid.UUID
	Phase      uint32
	Variant    string    // at most 64 bytes
	Unit       string    // at most 256 bytes: a customer's id, or any id of a visitor
	At         time.Time // whole milliseconds, UTC; set by Put
}

// Bounds of an exposure.
const (
	MaxUnit    = 256
	MaxVariant = 64
	MaxPut     = 1000 // that are put together
)

// A key is what of an exposure there is one of.
type key struct {
	experiment uuid.UUID
	phase      uint32
	unit       string
}

func (e Exposure) key() key { return key{e.Experiment, e.Phase, e.Unit} }

func (e Exposure) check() error {
	switch {
	case e.Unit == "" || len(e.Unit) > MaxUnit || strings.ContainsRune(e.Unit, 0):
		return problem.Errorf(problem.Invalid, "the unit of an exposure has 1 to %d bytes", MaxUnit)
	case e.Variant == "" || len(e.Variant) > MaxVariant:
		return problem.Errorf(problem.Invalid, "the variant of an exposure has 1 to %d bytes", MaxVariant)
	}
	return nil
}

const (
	header     = "tributary exposures 1\n"
	frameHead  = 8
	recordHead = 2 + 16 + 4 + 8 + 1
	maxRecord  = recordHead + MaxVariant + MaxUnit
	// maxFrame bounds what is written at once, and so what a reader holds.
	maxFrame = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendRecord(b []byte, e Exposure) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(recordHead-2+len(e.Variant)+len(e.Unit))) //nolint:gosec // both are bounded
	b = append(b, e.Experiment[:]...)
	b = binary.BigEndian.AppendUint32(b, e.Phase)
	b = binary.BigEndian.AppendUint64(b, uint64(e.At.UnixMilli())) //nolint:gosec // the same bits
	b = append(b, byte(len(e.Variant)))
	b = append(b, e.Variant...)
	return append(b, e.Unit...)
}

var errRecord = errors.New("a record is not whole")

// readRecord reads the record that b begins with, and returns its length.
func readRecord(b []byte) (e Exposure, n int, err error) {
	if len(b) < recordHead {
		return e, 0, errRecord
	}
	n = 2 + int(binary.BigEndian.Uint16(b))
	variant := int(b[recordHead-1])
	if n > len(b) || n < recordHead+variant {
		return e, 0, errRecord
	}
	copy(e.Experiment[:], b[2:])
	e.Phase = binary.BigEndian.Uint32(b[18:])
	e.At = time.UnixMilli(int64(binary.BigEndian.Uint64(b[22:]))).UTC() //nolint:gosec // the same bits
	e.Variant = string(b[recordHead : recordHead+variant])
	e.Unit = string(b[recordHead+variant : n])
	return e, n, nil
}

// sealFrame writes the head of a frame whose payload follows it in b.
func sealFrame(b []byte) {
	binary.BigEndian.PutUint32(b, uint32(len(b)-frameHead)) //nolint:gosec // bounded by maxFrame
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[frameHead:], castagnoli))
}

// A Damaged error says that a segment was changed by something else.
type Damaged struct {
	File   string
	Offset int64
}

func (d *Damaged) Error() string {
	return fmt.Sprintf("the exposures in %s are damaged at byte %d", d.File, d.Offset)
}
