/**
 * Signs calls to an apikeychain gate, in Node (18 or newer) and in browsers. WebCrypto only, no dependency.
 *
 *     import { importKey, signedFetch } from "./apikeychain-sign.js";
 *     const key = await importKey(keyText);
 *     const answer = await signedFetch(url, { method: "POST", body }, { keyId, key });
 *
 * In a browser it takes session keys only: a signing key has no end and is bound to no user, and whatever reaches a page
 * can be read by whoever uses the page, by its extensions and by every script in it. Let your server make session keys.
 */

const PREFIX = "/api/apikeychain";
const SESSION_PREFIX = "s1.";
const NONCE_BYTES = 18;
const KEY_ID = /^[A-Za-z0-9._-]{1,200}$/;
const SESSION_KEY = /^s1\.[^.]+\.[0-9]{1,11}\.([A-Za-z0-9_-]+)$/;
const SIGNING_KEY = /^aks_[A-Za-z0-9_-]{43}$/;
const PRINTABLE = /^[\x20-\x7e]{8,4096}$/;
const USER = /^[\x21-\x7e]{1,128}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const METHOD = /^[A-Za-z-]{1,32}$/;
const FETCH_METHODS = /^(?:delete|get|head|options|post|put)$/i;
// What stands in these, where nobody gives a value, only fetch knows, and only when it sends.
const FETCH_ADDS =
  /^(?:accept(?:-encoding|-language)?|cache-control|connection|content-length|cookie|host|origin|pragma|referer|sec-.+|user-agent)$/;
const THIS_MACHINE = new Set(["localhost", "127.0.0.1", "[::1]"]);
const SESSION_KEYS_ONLY =
  "in a browser only session keys sign: whoever uses the page could read a signing key, and it has no end. " +
  "Let your server make a session key for its user, and hand id and key of that to the page";

/** A CryptoKey that signs and cannot be read back. `keyText` is the key as it was shown. */
export async function importKey(keyText) {
  if (typeof keyText !== "string" || !PRINTABLE.test(keyText)) {
    throw new TypeError("a key is the text as it was shown: 8 to 4096 printable ASCII characters");
  }
  if (isBrowser() && SIGNING_KEY.test(keyText)) {
    throw new Error(SESSION_KEYS_ONLY);
  }
  const { subtle } = await webCrypto();
  return subtle.importKey("raw", bytesOf(keyText), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/**
 * The headers that sign one send of a request, as an object. Sign anew for each send.
 *
 * @param {object} request
 * @param {string} request.keyId of a signing key, or of a session key (`s1.…`).
 * @param {CryptoKey} request.key of `importKey`.
 * @param {string} [request.method] as fetch sends it. GET without one.
 * @param {string|URL} request.url the same that fetch is given.
 * @param {string} [request.prefix] the path under which the gate is served, any mount of the host included.
 * @param {string} [request.contentType] as it is sent; without one, that of the headers.
 * @param {string|ArrayBuffer|ArrayBufferView|Blob} [request.body] all of it.
 * @param {string} [request.user] sent as x-iso-user; without one, whom a session key names.
 * @param {string[]} [request.signedHeaders] the project's signed headers; one that fetch adds by itself needs a value.
 * @param {HeadersInit} [request.headers] that are sent; the signed ones and x-iso-user are taken from them.
 * @param {string} [request.contentSha256] 64 lower-case hex digits, in place of a body that is not in memory.
 * @param {number} [request.now] unix seconds.
 * @param {string} [request.nonce] 16 to 64 of A-Z a-z 0-9 _ -, another for each send.
 */
export async function sign({
  keyId,
  key,
  method = "GET",
  url,
  prefix = PREFIX,
  contentType,
  body = "",
  user,
  signedHeaders = [],
  headers = {},
  contentSha256,
  now = Date.now() / 1000,
  nonce,
}) {
  requireKeyId(keyId);
  const crypto = await webCrypto();
  const { pathname, search } = requireGate(url);
  const [path, project] = below(prefix, pathname);
  const timestamp = String(Math.floor(now));
  const unique = requireForm(NONCE, nonce ?? freshNonce(crypto), "a nonce");
  const digest = requireForm(DIGEST, contentSha256 ?? (await sha256(crypto, await bytesOfBody(body))), "contentSha256");
  const sent = new Headers(headers);
  const who = user ?? (userOf(keyId) || (sent.get("x-iso-user") ?? ""));
  const lines = [
    "apikeychain-v1",
    project,
    keyId,
    timestamp,
    unique,
    methodOf(method),
    path,
    search.slice(1),
    trimmed(contentType ?? sent.get("content-type") ?? ""),
    who === "" ? "" : requireForm(USER, who, "a user"),
    await sha256(crypto, bytesOf(headerBlock(signedHeaders, sent))),
    digest,
  ];
  if (lines.some((line) => line.includes("\n"))) {
    throw new TypeError("a part of a request that is signed holds a line feed");
  }
  const mac = await crypto.subtle.sign("HMAC", key, bytesOf(lines.join("\n")));
  const signed = {
    "x-key-id": keyId,
    "x-timestamp": timestamp,
    "x-nonce": unique,
    "x-content-sha256": digest,
    "x-signature": `v1=${hex(mac)}`,
  };
  return who === "" ? signed : { ...signed, "x-iso-user": who };
}

/**
 * `fetch`, signed. The body is read into memory; for one that is not, use `sign` with `contentSha256`.
 *
 * @param {RequestInfo|URL} input as of fetch.
 * @param {RequestInit} [init] as of fetch. A redirect is an error: it would carry the signature of another address.
 * @param {object} signer keyId and key, and where they are needed prefix, user and signedHeaders.
 */
export async function signedFetch(input, init, { keyId, key, prefix, user, signedHeaders }) {
  const request = new Request(input, { redirect: "error", ...init });
  const lines = await sign({
    keyId,
    key,
    prefix,
    user,
    signedHeaders,
    method: request.method,
    url: request.url,
    body: await request.clone().arrayBuffer(),
    headers: request.headers,
  });
  for (const [name, value] of Object.entries(lines)) {
    request.headers.set(name, value);
  }
  return fetch(request);
}

function isBrowser() {
  const { process, window, document, WorkerGlobalScope } = globalThis;
  return !process?.versions?.node && [window, document, WorkerGlobalScope].some((found) => found !== undefined);
}

function requireKeyId(keyId) {
  if (typeof keyId !== "string" || !KEY_ID.test(keyId)) {
    throw new TypeError("not a key id: 1 to 200 of A-Z, a-z, 0-9, dot, underscore and hyphen");
  }
  if (isBrowser() && !keyId.startsWith(SESSION_PREFIX)) {
    throw new Error(SESSION_KEYS_ONLY);
  }
}

async function webCrypto() {
  // Node 18 has no global; comments and a name put together keep the bundlers of pages from looking for the module
  const name = ["node", "crypto"].join(":");
  const crypto = globalThis.crypto ?? (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)).webcrypto;
  if (!crypto.subtle) {
    throw new Error("WebCrypto is missing: browsers have it on https pages and on localhost only");
  }
  return crypto;
}

function requireGate(url) {
  const parsed = new URL(url, globalThis.location?.href);
  if (parsed.protocol !== "https:" && !(parsed.protocol === "http:" && THIS_MACHINE.has(parsed.hostname))) {
    throw new Error(`signed requests go over https, or to this machine: not ${parsed.protocol}//${parsed.hostname}`);
  }
  return parsed;
}

function below(prefix, pathname) {
  const found = /^(\/([^/]+)\/.*)$/.exec(pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : "");
  if (!found) {
    throw new Error(`only what is under ${prefix}/<project id>/ is signed: another path would get a signature for nothing`);
  }
  return [found[1], found[2]];
}

function methodOf(method) {
  if (!METHOD.test(method)) {
    throw new TypeError("not a method");
  }
  return FETCH_METHODS.test(method) ? method.toUpperCase() : method;
}

function headerBlock(names, sent) {
  const sorted = [...new Set(names.map((name) => name.toLowerCase()))].sort();
  const unknown = sorted.find((name) => FETCH_ADDS.test(name) && !sent.has(name));
  if (unknown !== undefined) {
    throw new TypeError(`give the header ${unknown} a value: the project signs it, and fetch would add one of its own`);
  }
  return sorted.map((name) => `${name}:${sent.get(name) ?? ""}\n`).join("");
}

function userOf(keyId) {
  if (!keyId.startsWith(SESSION_PREFIX)) {
    return "";
  }
  const [, label] = SESSION_KEY.exec(keyId) ?? [];
  if (label === undefined || label.length % 4 === 1) {
    throw new TypeError("not the id of a session key");
  }
  return atob(label.replaceAll("-", "+").replaceAll("_", "/"));
}

function requireForm(form, text, what) {
  if (!form.test(text)) {
    throw new TypeError(`${what} is not of its form: ${form.source}`);
  }
  return text;
}

function freshNonce(crypto) {
  const random = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(NONCE_BYTES)));
  return btoa(random).replaceAll("+", "-").replaceAll("/", "_");
}

async function bytesOfBody(body) {
  if (typeof body === "string") {
    return new TextEncoder().encode(body);
  }
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) {
    return body;
  }
  if (body instanceof Blob) {
    return body.arrayBuffer();
  }
  throw new TypeError("a body to sign is a string, bytes or a Blob; signedFetch takes the others, or give contentSha256");
}

/** A header is bytes, of which JavaScript makes one character each. */
function bytesOf(text) {
  return Uint8Array.from(text, (character) => {
    const byte = character.charCodeAt(0);
    if (byte > 0xff || character.length > 1) {
      throw new TypeError("a part of a request that is signed holds a character that no header can");
    }
    return byte;
  });
}

function trimmed(value) {
  return value.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
}

async function sha256(crypto, bytes) {
  return hex(await crypto.subtle.digest("SHA-256", bytes));
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
