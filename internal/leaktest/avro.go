package leaktest

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// avroMagic begins the files that Iceberg's manifests are.
const avroMagic = "Obj\x01"

var errAvro = errors.New("the Avro file is not whole")

// walkAvro visits the blocks of an Avro file, uncompressed. Texts stand in them
// as they are.
func walkAvro(text []byte, visit func(block []byte)) error {
	r := bytes.NewReader(text[len(avroMagic):])
	codec, err := avroCodec(r)
	if err != nil {
		return err
	}
	sync := make([]byte, 16)
	if _, err := io.ReadFull(r, sync); err != nil {
		return errAvro
	}
	for r.Len() > 0 {
		if _, err := binary.ReadVarint(r); err != nil {
			return errAvro
		}
		block, err := avroBytes(r)
		if err != nil {
			return err
		}
		switch codec {
		case "", "null":
		case "deflate":
			if block, err = io.ReadAll(flate.NewReader(bytes.NewReader(block))); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the Avro file is compressed by %s, which nobody here reads", codec)
		}
		visit(block)
		if _, err := io.ReadFull(r, sync); err != nil {
			return errAvro
		}
	}
	return nil
}

// avroCodec reads the header's map, and what it says of compression.
func avroCodec(r *bytes.Reader) (codec string, err error) {
	for {
		n, err := binary.ReadVarint(r)
		if err != nil {
			return "", errAvro
		}
		if n == 0 {
			return codec, nil
		}
		if n < 0 { // its size in bytes stands behind a negative count
			if _, err := binary.ReadVarint(r); err != nil {
				return "", errAvro
			}
			n = -n
		}
		for range n {
			key, err := avroBytes(r)
			if err != nil {
				return "", err
			}
			value, err := avroBytes(r)
			if err != nil {
				return "", err
			}
			if string(key) == "avro.codec" {
				codec = string(value)
			}
		}
	}
}

func avroBytes(r *bytes.Reader) ([]byte, error) {
	n, err := binary.ReadVarint(r)
	if err != nil || n < 0 || n > int64(r.Len()) {
		return nil, errAvro
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}
