// Calls the gate of app.py with OpenAI's and Anthropic's own packages, in a page of the allowed origin. There is no key
// in this file, and none in what comes back. Put apikeychain-sign.js beside it, and bundle it as you bundle your pages:
//
//   cp "$(python -c 'from apikeychain.client import JAVASCRIPT; print(JAVASCRIPT)')" .
//   npm install openai @anthropic-ai/sdk esbuild
//   npx esbuild page.mjs --bundle --format=esm --outfile=page.js
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { importKey, signedFetch } from "./apikeychain-sign.js";

export function openaiBehind(gate) {
  return new OpenAI({ baseURL: `${gate}/openai`, apiKey: "none", dangerouslyAllowBrowser: true });
}

export function anthropicBehind(gate) {
  return new Anthropic({ baseURL: `${gate}/anthropic`, apiKey: "none", dangerouslyAllowBrowser: true });
}

export async function askOpenAI(client, model, text) {
  const messages = [{ role: "user", content: text }];
  const answer = await client.chat.completions.create({ model, messages });
  return answer.choices[0].message.content;
}

export async function* askOpenAIBitByBit(client, model, text) {
  const messages = [{ role: "user", content: text }];
  const chunks = await client.chat.completions.create({ model, messages, stream: true });
  for await (const chunk of chunks) yield chunk.choices[0].delta.content ?? "";
}

export async function askAnthropic(client, model, text) {
  const messages = [{ role: "user", content: text }];
  const answer = await client.messages.create({ model, max_tokens: 1000, messages });
  return answer.content.map((block) => block.text ?? "").join("");
}

export async function openaiOfUser(gate, session) {
  const signer = { keyId: session.id, key: await importKey(session.key) };
  const fetch = (url, init) => signedFetch(url, init, signer);
  return new OpenAI({ baseURL: `${gate}/openai`, apiKey: "none", dangerouslyAllowBrowser: true, fetch });
}

export async function* askAnthropicBitByBit(client, model, text) {
  const messages = [{ role: "user", content: text }];
  const events = client.messages.stream({ model, max_tokens: 1000, messages });
  for await (const event of events) {
    if (event.type === "content_block_delta") yield event.delta.text;
  }
}
