// What both pages do: read their addresses, make a call, show what came of it.

const NOTHING = "The page learns nothing: the gate answered 403 without leave to read it, and called no provider.";

export const byId = (id) => document.getElementById(id);

export async function addresses() {
  return (await fetch("/addresses.json")).json();
}

/** Shows one line of state and the text below it. */
export function show(kind, sent, status, body) {
  byId("answer").dataset.kind = kind;
  byId("sent").textContent = sent;
  byId("status").textContent = status;
  byId("body").textContent = body;
}

/** Calls, and shows the answer, the refusal, or that the browser gave the page neither. */
export async function call(url) {
  const sent = `GET ${shortened(url)}`;
  try {
    const reply = await fetch(url);
    const refused = reply.headers.get("X-APIKeyChain-Error");
    const body = await reply.text();
    const status = refused ? `${reply.status} refused by the gate: ${refused}` : `${reply.status} answered`;
    show(refused ? "bad" : "good", sent, status, pretty(body));
    return reply;
  } catch {
    show("bad", sent, "refused", NOTHING);
    return null;
  }
}

export function shortened(url) {
  const { pathname, search } = new URL(url);
  return pathname.replace(/(p_.{4}).*\/proxy/, "$1…/proxy") + search;
}

function pretty(text) {
  try {
    const members = Object.entries(JSON.parse(text)).map(([name, value]) => `  "${name}": ${JSON.stringify(value)}`);
    return `{\n${members.join(",\n")}\n}`;
  } catch {
    return text;
  }
}
