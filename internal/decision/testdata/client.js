// Asks for decisions as a shop does that uses OpenFeature: node client.js <folder
// of npm's> <url> <key>. Its input is a JSON list of questions, its output a line of
// JSON with the answers.
'use strict';

const path = require('node:path');
const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');

const [modules, baseUrl, key] = process.argv.slice(2);
const installed = createRequire(path.join(modules, 'package.json'));
const { OpenFeature } = installed('@openfeature/server-sdk');
const { OFREPProvider } = installed('@openfeature/ofrep-provider');

async function main() {
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: [['Authorization', `Bearer ${key}`]] }));
  const client = OpenFeature.getClient();
  const ask = {
    object: client.getObjectDetails, boolean: client.getBooleanDetails, string: client.getStringDetails, number: client.getNumberDetails,
  };
  const answers = [];
  for (const { flag, type, otherwise, context } of JSON.parse(readFileSync(0, 'utf8'))) {
    const { value, variant, reason, errorCode, flagMetadata } = await ask[type].call(client, flag, otherwise, context);
    answers.push({ value, variant, reason, errorCode, flagMetadata });
  }
  console.log(JSON.stringify(answers));
  await OpenFeature.close();
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
