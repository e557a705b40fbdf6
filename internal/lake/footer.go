package lake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of the footer of a Parquet file that comes from outside. The library
// believes the sizes that a footer claims and follows its tree by recursion.
const (
	footerBytes   = 16 << 20
	footerStructs = 300_000 // row groups times columns, and the like
	schemaDepth   = 60
	schemaNodes   = 20_000
)

// checkFooter walks the footer of a Parquet file, Thrift in its compact
// protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md),
// and refuses what would take too much memory or stack to read.
func checkFooter(r io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return unreadableParquet("it is too short")
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(tail[:4]))
	switch {
	case bytes.Equal(tail[4:], []byte("PARE")):
		return unreadableParquet("it is encrypted")
	case !bytes.Equal(tail[4:], []byte("PAR1")):
		return unreadableParquet("it does not end as a Parquet file does")
	case n > size-12:
		return unreadableParquet("its footer does not fit into it")
	case n > footerBytes:
		return unreadableParquet(fmt.Sprintf("its footer has more than %d bytes", footerBytes))
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-8-n); err != nil {
		return err
	}
	w := footerWalk{b: b}
	if err := w.message(0, true); err != nil {
		return unreadableParquet(err.Error())
	}
	return w.tree()
}

func unreadableParquet(why string) error {
	return problem.Errorf(problem.Invalid, "the Parquet file can't be read: %s", why)
}

type footerWalk struct {
	b        []byte
	structs  int
	children []int64 // of the schema's elements, depth first
}

var errFooterCut = errors.New("its footer is cut short")

func (w *footerWalk) byte() (byte, error) {
	if len(w.b) == 0 {
		return 0, errFooterCut
	}
	c := w.b[0]
	w.b = w.b[1:]
	return c, nil
}

func (w *footerWalk) varint() (uint64, error) {
	v, n := binary.Uvarint(w.b)
	if n <= 0 {
		return 0, errFooterCut
	}
	w.b = w.b[n:]
	return v, nil
}

func (w *footerWalk) skip(n uint64) error {
	if n > uint64(len(w.b)) {
		return errFooterCut
	}
	w.b = w.b[n:]
	return nil
}

// message walks a struct. Of the outermost one, field 2 is the schema.
func (w *footerWalk) message(depth int, outer bool) error {
	if depth > 30 {
		return errors.New("its footer is nested too deeply")
	}
	if w.structs++; w.structs > footerStructs {
		return errors.New("it has too many columns and row groups")
	}
	id := int64(0)
	for {
		kind, more, err := w.field(&id)
		if err != nil || !more {
			return err
		}
		if outer && id == 2 && kind == 9 {
			err = w.schema(depth)
		} else {
			err = w.value(kind, depth, false)
		}
		if err != nil {
			return err
		}
	}
}

// field reads the head of a struct's next field, if there are more: it moves id
// on from that of the field before, and returns the kind of the value.
func (w *footerWalk) field(id *int64) (kind byte, more bool, err error) {
	head, err := w.byte()
	if err != nil || head == 0 {
		return 0, false, err
	}
	if delta := int64(head >> 4); delta != 0 {
		*id += delta
		return head & 15, true, nil
	}
	v, err := w.varint()
	*id = unzigzag(v)
	return head & 15, true, err
}

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) } //nolint:gosec // zigzag

func (w *footerWalk) value(kind byte, depth int, inList bool) error {
	switch kind {
	case 1, 2: // booleans stand in the field's head
		if inList {
			return w.skip(1)
		}
		return nil
	case 3:
		return w.skip(1)
	case 4, 5, 6:
		_, err := w.varint()
		return err
	case 7:
		return w.skip(8)
	case 8:
		n, err := w.varint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case 9, 10:
		if depth > 30 {
			return errors.New("its footer is nested too deeply")
		}
		n, elem, err := w.list()
		for ; n > 0 && err == nil; n-- {
			if elem == 12 {
				err = w.message(depth+1, false)
			} else {
				err = w.value(elem, depth+1, true)
			}
		}
		return err
	case 12:
		return w.message(depth+1, false)
	}
	return errors.New("its footer has a value of a kind that footers don't have")
}

// list reads the head of a list. No element takes less than a byte.
func (w *footerWalk) list() (n uint64, elem byte, err error) {
	head, err := w.byte()
	if err != nil {
		return 0, 0, err
	}
	n = uint64(head >> 4)
	if n == 15 {
		if n, err = w.varint(); err != nil {
			return 0, 0, err
		}
	}
	if n > uint64(len(w.b)) {
		return 0, 0, errFooterCut
	}
	return n, head & 15, nil
}

// schema walks the list of schema elements and notes how many children each
// has, its field 5.
func (w *footerWalk) schema(depth int) error {
	n, elem, err := w.list()
	if err != nil {
		return err
	}
	if elem != 12 || n > schemaNodes {
		return fmt.Errorf("its schema has more than %d nodes", schemaNodes)
	}
	for ; n > 0; n-- {
		children, id := int64(0), int64(0)
		for {
			kind, more, err := w.field(&id)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if id == 5 && kind == 5 {
				v, err := w.varint()
				if err != nil {
					return err
				}
				children = unzigzag(v)
				continue
			}
			if err := w.value(kind, depth+1, false); err != nil {
				return err
			}
		}
		w.children = append(w.children, children)
	}
	return nil
}

// tree checks that the elements are one tree that is not too deep.
func (w *footerWalk) tree() error {
	var open []int64 // children that are still to come, by depth
	for i, n := range w.children {
		switch {
		case n < 0 || n > int64(len(w.children)):
			return unreadableParquet("its schema is no tree")
		case i > 0 && len(open) == 0:
			return unreadableParquet("its schema is no tree")
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		if n > 0 {
			open = append(open, n)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) > schemaDepth {
			return unreadableParquet("its schema is nested too deeply")
		}
	}
	if len(open) > 0 || len(w.children) == 0 {
		return unreadableParquet("its schema is no tree")
	}
	return nil
}
