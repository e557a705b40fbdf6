// Answers one SQL query, read from standard input, as one JSON object per line.
// Arguments: the folder whose node_modules has chdb; the folder to work in.
'use strict'

const [modules, dir] = process.argv.slice(1)

// ClickHouse opens files only below the folder that was current when it started.
process.chdir(dir)
const { query } = require('node:module').createRequire(modules + '/package.json')('chdb')

const exact = `
set output_format_json_quote_64bit_integers = 0;
set output_format_json_quote_decimals = 0;
set output_format_json_quote_denormals = 1;
`
try {
  process.stdout.write(query(exact + require('node:fs').readFileSync(0, 'utf8'), 'JSONEachRow'))
} catch (err) {
  process.stderr.write(err.message)
  process.exitCode = 1
}
