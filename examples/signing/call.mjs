// Calls the gate of app.py from Node (18 or newer), signed. Put the module of the package beside this file first:
//
//     cp "$(python -c 'from apikeychain.client import JAVASCRIPT; print(JAVASCRIPT)')" .
//     export GATE=... KEY_ID=... KEY=...        # what app.py set-up printed
//     node call.mjs Lisbon

import { importKey, signedFetch } from "./apikeychain-sign.js";

const { GATE, KEY_ID, KEY } = process.env;
const url = new URL(GATE);
url.searchParams.set("q", process.argv.slice(2).join(" "));

const answer = await signedFetch(url, {}, { keyId: KEY_ID, key: await importKey(KEY) });
console.log(answer.status, await answer.text());
