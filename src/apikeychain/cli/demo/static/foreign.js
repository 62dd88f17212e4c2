import { addresses, byId, call } from "/shared.js";

const where = await addresses();
const attempt = () => call(`${where.routes.weather}?q=Lisbon`);

byId("own-origin").textContent = where.foreign;
byId("again").addEventListener("click", attempt);
await attempt();
document.body.dataset.ready = "yes";
