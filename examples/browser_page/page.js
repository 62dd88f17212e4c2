// Calls the gate of examples/fastapi_app.py. There is no key in this file, and none in what comes back.
const gate = new URLSearchParams(location.search).get("gate");
const answer = document.getElementById("answer");

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = new URLSearchParams(new FormData(event.target));
  try {
    const reply = await fetch(`${gate}?${query}`);
    const refused = reply.headers.get("X-APIKeyChain-Error");
    answer.textContent = refused ? `refused: ${refused}` : JSON.stringify(await reply.json(), null, 2);
  } catch {
    answer.textContent = "refused: this origin is not on the project's list";
  }
});
