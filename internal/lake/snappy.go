package lake

import (
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/s2"
)

// Snappy with the fast one of its encoders: the library's takes two to three
// times the CPU, and files in passing are 3 % smaller for it. The library takes
// codecs before it is used only.
var _ = func() error {
	snappy, err := compress.GetCodec(compress.Codecs.Snappy)
	if err == nil {
		compress.RegisterCodec(compress.Codecs.Snappy, fastSnappy{snappy})
	}
	return err
}()

type fastSnappy struct{ compress.Codec }

func (fastSnappy) Encode(dst, src []byte) []byte { return s2.EncodeSnappy(dst, src) }

func (fastSnappy) EncodeLevel(dst, src []byte, _ int) []byte { return s2.EncodeSnappy(dst, src) }
