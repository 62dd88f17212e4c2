/**
 * Calls the routes of a project behind an apikeychain gate, from a page of an allowed origin. No dependency, no key.
 *
 *     import { connect } from "./apikeychain.js";
 *     const api = connect("https://app.example.com/api/apikeychain/p_...");
 *     const answer = await api.get("weather", { query: { q: "São Paulo" } }); // a Response, its body unread
 *     const weather = await api.json("weather", { query: { q: "Rome" } }); // what stands in a good one
 *
 * What the gate refuses is thrown; what the provider answers is returned, whatever its status is.
 */

const PROJECT = /\/p_[a-z2-7]{20}$/;
const ROUTE = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const FORBIDDEN = /[\x00-\x1f\x7f/\\]|^\.{1,2}(?:;|$)/;
const ESCAPED_PCHAR = /%(?:2[46BC]|3[ABD]|40)/g;
const WITHHELD =
  "no answer came to this page: it is offline, or its own Content-Security-Policy forbids the call, or the gate lets " +
  "it see none, as where the page's origin is not on the project's list, or the project is unknown or switched off. " +
  "The browser's console and network panel say which";

/**
 * @typedef {string | number | boolean | null | undefined} Value null and undefined are left out.
 * @typedef {Record<string, Value | Value[]> | Iterable<[string, Value]>} Pairs a list repeats its name.
 * @typedef {object} Own
 * @property {(string | number)[]} [segments] the route's `{names}` in their order, then its tail.
 * @property {Pairs} [query]
 * @property {unknown} [json] a body; at most one of json, form and body.
 * @property {Pairs | FormData} [form] a body: FormData goes as multipart, all else urlencoded.
 * @property {BodyInit} [body] as of fetch, with its content type among the headers.
 * @property {string} [user] sent as X-Iso-User.
 * @typedef {Own & Omit<RequestInit, "body" | "credentials" | "mode">} Options also those of fetch: signal, headers.
 * @typedef {{ status?: number, code?: string, parameter?: string, retryAfter?: number, cause?: unknown }} Told
 */

/** The root of all that is thrown here, beside a TypeError for what cannot be sent and the reason of an abort. */
export class APIKeyChainError extends Error {
  /** @param {string} message @param {Told} [told] */
  constructor(message, { status, code, parameter, retryAfter, cause } = {}) {
    super(message, { cause });
    this.name = /** @type {any} */ (this.constructor).title;
    this.status = status;
    this.code = code; // stable: "origin-refused", "rate-limited"
    this.parameter = parameter; // the name of the one that was refused
    this.retryAfter = retryAfter; // seconds
  }
  static title = "APIKeyChainError";
}
/** The gate said no (4xx): the provider got nothing. */
export class RefusedError extends APIKeyChainError {
  static title = "RefusedError";
}
/** A quota is used up (429), and waiting did not help or would take too long. */
export class RateLimitedError extends RefusedError {
  static title = "RateLimitedError";
}
/** Something behind the gate is broken or late (5xx). The provider may have got the call. */
export class UnavailableError extends APIKeyChainError {
  static title = "UnavailableError";
}
/** Of `json` alone: the provider's answer is none of 2xx. It is in `response`, its body unread. */
export class ProviderError extends APIKeyChainError {
  static title = "ProviderError";
  /** @param {Response} response */
  constructor(response) {
    super(`the provider answered ${response.status}`, { status: response.status });
    this.response = response;
  }
}
/** No answer came, or none that the page may see. */
export class NetworkError extends APIKeyChainError {
  static title = "NetworkError";
}

/**
 * The calls of one project.
 *
 * @param {string | URL} [address] of the project, absolute or below the page's host: the path that `project.url` gives,
 *   up to the project's id. Without one, that of the project that serves this module as an asset.
 * @param {object} [options]
 * @param {(request: Request) => Promise<Response>} [options.fetch] in place of fetch, to sign: see apikeychain-sign.js.
 * @param {number} [options.retries] how often a call is sent again: after our 429, and after our 503 if it only reads.
 * @param {number} [options.maxWait] seconds that the waiting of one call may take in all.
 */
export function connect(address = new URL("..", import.meta.url), options = {}) {
  const { fetch: send = (request) => fetch(request), retries = 2, maxWait = 30 } = options;
  const parsed = new URL(address, globalThis.location?.href);
  const project = parsed.origin + parsed.pathname.replace(/\/$/, "");
  if (!PROJECT.test(project)) {
    throw new TypeError(`not the address of a project, https://host/api/apikeychain/p_...: ${address}`);
  }

  /** The address of a route. @param {string} route @param {Own["segments"]} segments @param {Pairs} query */
  function url(route, segments = [], query = {}) {
    if (!ROUTE.test(route)) {
      throw new TypeError(`not the name of a route: ${route}`);
    }
    const path = [project, "proxy", route, ...segments.map(encodeSegment)].join("/");
    const pairs = pairsOf(query).map((pair) => pair.map(encodeURIComponent).join("="));
    return pairs.length ? `${path}?${pairs.join("&")}` : path;
  }

  /** One call; GET, or POST where it has a body. @param {string} route @param {Options} options */
  async function call(route, { segments, query, json, form, body, user, headers, ...init } = {}) {
    const target = url(route, segments, query);
    const lines = new Headers(headers);
    const content = bodyOf({ json, form, body }, lines);
    if (user !== undefined) {
      lines.set("X-Iso-User", user);
    }
    const method = init.method ?? (content === undefined ? "GET" : "POST");
    const whole = { ...init, method, headers: lines, body: content, mode: "cors", credentials: "omit" };
    const isRepeatable = !(content instanceof ReadableStream);
    for (let [left, tried] = [maxWait, 0]; ; tried++) {
      const answer = await sendOnce(send, new Request(target, /** @type {RequestInit} */ (whole)));
      const code = answer.headers.get("X-APIKeyChain-Error");
      if (code === null) {
        return answer;
      }
      const retryAfter = secondsOf(answer.headers.get("Retry-After"));
      const seconds = retryAfter ?? 2 ** tried;
      if (!isRepeatable || !mayRepeat(answer.status, method) || tried >= retries || seconds > left) {
        throw await errorOf(answer, code, retryAfter);
      }
      await answer.body?.cancel();
      // later than was said, never earlier, so that many pages do not come back at one moment
      const pause = Math.min(left, seconds + Math.random() * (0.1 + seconds / 4));
      left -= pause;
      await sleep(pause, init.signal);
    }
  }

  /** What stands in an answer of 2xx. @param {string} route @param {Options} options @returns {Promise<any>} */
  async function json(route, options) {
    const answer = await call(route, options);
    if (!answer.ok) {
      throw new ProviderError(answer);
    }
    return answer.json();
  }

  const get = (/** @type {string} */ route, /** @type {Options} */ given) => call(route, { ...given, method: "GET" });
  const post = (/** @type {string} */ route, /** @type {Options} */ given) => call(route, { ...given, method: "POST" });
  return Object.freeze({ url, call, get, post, json });
}

/** As the gate encodes it: pchar stays (RFC 3986), all else is escaped. @param {string | number} segment */
function encodeSegment(segment) {
  const text = textOf(segment);
  if (FORBIDDEN.test(text)) {
    // a browser would resolve the dots and so call another route
    throw new TypeError(`no segment of a path, which has no slash and is no dot; a tail is several segments: ${text}`);
  }
  return encodeURIComponent(text).replace(ESCAPED_PCHAR, decodeURIComponent);
}

/** A space is %20 and a plus %2B in a query: a plus that stands there is a plus to the gate. @param {Pairs} given */
function pairsOf(given) {
  if (Object(given) !== given) {
    throw new TypeError("a query or form is an object, a URLSearchParams or a list of pairs");
  }
  const entries = Symbol.iterator in given ? [...given] : Object.entries(given);
  const values = entries.flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return values.filter(([, value]) => value !== undefined && value !== null).map((pair) => pair.map(textOf));
}

/** @param {unknown} value */
function textOf(value) {
  if (!["string", "number", "boolean"].includes(typeof value)) {
    throw new TypeError("a value of a path, query or form is a string, a number or a boolean");
  }
  return String(value);
}

/** @param {Pick<Own, "json" | "form" | "body">} given @param {Headers} headers @returns {BodyInit | undefined} */
function bodyOf({ json, form, body }, headers) {
  if ([json, form, body].filter((one) => one !== undefined).length > 1) {
    throw new TypeError("a call has one body: json, form or body");
  }
  if (json !== undefined) {
    headers.set("Content-Type", headers.get("Content-Type") ?? "application/json");
    return JSON.stringify(json);
  }
  return form === undefined || form instanceof FormData ? (form ?? body) : new URLSearchParams(pairsOf(form));
}

/** @param {(request: Request) => Promise<Response>} send @param {Request} request */
async function sendOnce(send, request) {
  try {
    return await send(request);
  } catch (error) {
    // fetch says no more of it: whoever may not see an answer may not learn why either
    throw error instanceof TypeError && !request.signal.aborted
      ? new NetworkError(`${WITHHELD} (${error.message})`, { cause: error })
      : error;
  }
}

/** A 429 went to nobody; of a 503 that is not known. @param {number} status @param {string} method */
function mayRepeat(status, method) {
  return status === 429 || (status === 503 && (method === "GET" || method === "HEAD"));
}

/** Seconds from now on, of seconds or a date (RFC 9110, 10.2.3). @param {string | null} text */
function secondsOf(text) {
  const seconds = /^[0-9]+$/.test(text ?? "") ? Number(text) : (Date.parse(text ?? "") - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/** @param {Response} answer @param {string} code @param {number} [retryAfter] */
async function errorOf(answer, code, retryAfter) {
  const { title = "the gate refused the call", parameter, hint } = await answer.json().catch(() => ({}));
  const { status } = answer;
  const Kind = status === 429 ? RateLimitedError : status < 500 ? RefusedError : UnavailableError;
  const what = [code, parameter].filter(Boolean).join(": ");
  const told = { status, code, parameter: parameter || undefined, retryAfter };
  return new Kind([`${title} (${what})`, hint].filter(Boolean).join(" "), told);
}

/** @param {number} seconds @param {AbortSignal | null} [signal] @returns {Promise<void>} */
function sleep(seconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal?.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) {
      stop();
    }
  });
}
