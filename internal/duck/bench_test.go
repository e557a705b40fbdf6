//go:build cgo

package duck

import (
	"fmt"
	"io"
	"testing"
)

// BenchmarkQuery asks a table of 200,000 objects with 2 KB of raw text each;
// one in ten was replaced and awaits compaction.
func BenchmarkQuery(b *testing.B) {
	const n = 200_000
	p := newParquet(b)
	rows := func(from, to int) string {
		return fmt.Sprintf(`SELECT 'ch_' || lpad((hash(i)::VARCHAR), 20, '0') AS _id, (i + %d)::BIGINT AS _seq, false AS _deleted, NULL::TIMESTAMPTZ AS _read_at,
			{charges_data: {id: 'ch_' || lpad((hash(i)::VARCHAR), 20, '0'), amount: (i %% 5000)::BIGINT, status: 'succeeded'}} AS _acme FROM range(%d, %d) t(i)`, from, 0, to)
	}
	var data []File
	for i := range 10 {
		data = append(data, p.file(int64(i+1), "", dataset, rows(0, n)+fmt.Sprintf(" WHERE i %% 10 = %d", i)))
	}
	data = append(data, p.file(20, "", dataset, rows(n, n/10)))
	gone := p.file(20, "", ids, `SELECT 'ch_' || lpad((hash(i)::VARCHAR), 20, '0') AS _id FROM range(`+fmt.Sprint(n/10)+`) t(i)`)
	history := p.file(1, "", noHistory[:12], fmt.Sprintf(`SELECT 'x' AS id, i::BIGINT AS seq, 'upsert' AS op, NULL::TIMESTAMPTZ AS seen_at, '' AS source, '' AS run_id, '' AS account, false AS livemode,
		'' AS api_version, '' AS hash, 0::BIGINT AS created, '{"id":"ch_","amount":1,"tip":{"a":' || i || '},"pad":"' || repeat(hash(i)::VARCHAR, 100) || '"}' AS raw FROM range(%d) t(i)`, n+n/10))
	d := open(b, Catalog{Resources: []Resource{charges(data, []File{gone}, []File{history})}})
	for _, q := range []struct{ name, query string }{
		{"stored", "SELECT sum(_acme.charges_data.amount) FROM xdm.charges"},
		{"scalar", "SELECT status, sum(amount) FROM charges GROUP BY ALL"},
		{"json", "SELECT sum((tip->>'a')::BIGINT) FROM charges"},
		{"one", "SELECT * FROM charges WHERE id = 'ch_' || lpad((hash(77)::VARCHAR), 20, '0')"},
		{"limit", "SELECT * FROM charges LIMIT 10"},
		{"all", "SELECT * FROM charges"},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				rows, err := d.Query(b.Context(), q.query)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := Write(io.Discard, rows, "ndjson"); err != nil {
					b.Fatal(err)
				}
				_ = rows.Close()
			}
		})
	}
}
