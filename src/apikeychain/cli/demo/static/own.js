import { addresses, byId, call, show, shortened } from "/shared.js";

const REFRESH_MILLISECONDS = 2000;
const where = await addresses();

const tries = {
  weather: () => call(`${where.routes.weather}?${new URLSearchParams({ q: byId("city").value })}`),
  parameter: () => call(`${where.routes.weather}?q=Lisbon&appid=mine`),
  echo: () => call(where.routes.echo),
  forecast: stream,
  limited: useUp,
};

async function stream() {
  const sent = `GET ${shortened(where.routes.forecast)}`;
  let text = "";
  const reply = await fetch(where.routes.forecast);
  for await (const piece of pieces(reply.body.pipeThrough(new TextDecoderStream()))) {
    text += piece;
    const days = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data));
    const told = days.map((day) => `${day.name}: ${day.main.temp} °C, ${day.weather[0].description}`);
    show("good", sent, `${reply.status}, ${days.length} events so far`, told.join("\n"));
  }
}

async function* pieces(readable) {
  const reader = readable.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

async function useUp() {
  let reply;
  do {
    reply = await call(where.routes.limited);
  } while (reply?.ok);
}

function element(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function note({ number, method, target, key, headers }) {
  const item = document.createElement("li");
  const line = element("p", `${number}. ${method} `);
  line.append(element("code", target), " ", element("span", `${key} key`, key === "right" ? "tag good" : "tag bad"));
  item.append(line, element("p", headers.join("   "), "headers"));
  return item;
}

function row({ seq, at, kind, what, hash }) {
  const made = document.createElement("tr");
  made.append(...[seq, at, kind, what, `${hash}…`].map((text) => element("td", text)));
  return made;
}

async function refresh() {
  const { calls, notes, ledger } = await (await fetch("/seen.json")).json();
  document.body.dataset.calls = calls;
  byId("notes").replaceChildren(...(notes.length ? notes.map(note) : [element("li", "Nothing yet.")]));
  byId("entries").replaceChildren(...ledger.entries.map(row));
  byId("verdict").textContent = `verified: all ${ledger.size} entries`;
}

async function run(name) {
  await tries[name]();
  await refresh();
}

byId("own-origin").textContent = where.own;
byId("api").textContent = new URL(where.routes.weather).origin;
byId("provider").textContent = new URL(where.provider).hostname;
byId("allow").textContent = where.allow;
byId("foreign").src = where.foreign;
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run("weather");
});
for (const button of document.querySelectorAll("[data-try]")) {
  button.addEventListener("click", () => run(button.dataset.try));
}
byId("tamper").addEventListener("click", async () => {
  const { verdict } = await (await fetch("/tampered.json", { method: "POST" })).json();
  byId("tampered").textContent = `In the copy, ${verdict}`;
});

await run("weather");
setInterval(refresh, REFRESH_MILLISECONDS);
document.body.dataset.ready = "yes";
