package expr

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"strings"
	"unicode/utf16"
)

func hashFunctions() []*function {
	one := func(name, about, gives string, sum func() hash.Hash) *function {
		return &function{
			name: name, category: catHash, about: about, returns: "lower-case hexadecimal digits", result: textType,
			params: []param{theText, {
				name: "charset", about: "how to write the text as bytes: UTF-8 (default), UTF-16, ISO-8859-1 or US-ASCII",
				types: textType, optional: true, prepare: charset,
			}},
			example: name + `("my text", "UTF-8")`, gives: `"` + gives + `"`,
			call: func(a args) (Value, error) {
				encode := func(s string) []byte { return []byte(s) }
				if len(a.v) > 1 {
					made, err := a.made(1)
					if err != nil {
						return Value{}, err
					}
					encode = made.(func(string) []byte)
				}
				h := sum()
				h.Write(encode(a.text(0)))
				out := h.Sum(nil)
				if name == "crc32" { // whose bytes Data Prep prints last one first
					slices.Reverse(out)
				}
				return TextOf(hex.EncodeToString(out)), nil
			},
		}
	}
	return []*function{
		one("sha1", "Hashes a text by SHA-1.", "c3599c11e47719df18a2448690840c5dfcce3c80", sha1.New),
		one("sha256", "Hashes a text by SHA-256.", "7330d2b39ca35eaf4cb95fc846c21ee6a39af698154a83a586ee270a0d372104", sha256.New),
		one("sha512", "Hashes a text by SHA-512.", "a3d7e45a0d9be5fd4e4b9a3b8c9c2163c21ef708bf11b4232bb21d2a8704ada2"+
			"cdcd7b367dd0788a89a5c908cfe377aceb1072a7b386b7d4fd2ff68a8fd24d16", sha512.New),
		one("md5", "Hashes a text by MD5.", "d3b96ce8c9fb4e9bd0198d03ba6852c7", md5.New),
		one("crc32", "Computes the CRC-32 of a text.", "8df92e80", func() hash.Hash { return crc32.NewIEEE() }),
	}
}

// charset returns a func(string) []byte. As in Java, what a charset does not
// have becomes a question mark, and UTF-16 is big-endian behind a byte order
// mark.
func charset(name string) (any, error) {
	upTo := func(last rune) func(string) []byte {
		return func(s string) []byte {
			var out []byte
			for _, r := range s {
				if r > last {
					r = '?'
				}
				out = append(out, byte(r))
			}
			return out
		}
	}
	switch strings.ToUpper(name) {
	case "UTF-8":
		return func(s string) []byte { return []byte(s) }, nil
	case "UTF-16":
		return func(s string) []byte {
			out := []byte{0xfe, 0xff}
			for _, u := range utf16.Encode([]rune(s)) {
				out = append(out, byte(u>>8), byte(u))
			}
			return out
		}, nil
	case "ISO-8859-1":
		return upTo(0xff), nil
	case "US-ASCII":
		return upTo(0x7f), nil
	}
	return nil, fmt.Errorf("not one of the charsets UTF-8, UTF-16, ISO-8859-1, US-ASCII")
}
