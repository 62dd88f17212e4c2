// <weather-card city="Lisbon"></weather-card>: calls the route of the project that serves this file. There is no key here.
import { connect, NetworkError, RateLimitedError, RefusedError } from "apikeychain";

const api = connect(); // the project that serves the module

class WeatherCard extends HTMLElement {
  async connectedCallback() {
    const city = this.getAttribute("city");
    try {
      const { name, main } = await api.json("weather", { query: { q: city } });
      this.textContent = `${name}: ${main.temp} K`;
    } catch (error) {
      this.classList.add("failed");
      this.textContent = told(error);
    }
  }
}

function told(error) {
  if (error instanceof RateLimitedError) {
    return `Too many asked for the weather. Try again in ${Math.ceil(error.retryAfter ?? 60)} seconds.`;
  }
  if (error instanceof RefusedError) {
    return `This cannot be asked: ${error.code}.`;
  }
  return error instanceof NetworkError ? "The weather cannot be reached from this page." : "There is no weather now.";
}

customElements.define("weather-card", WeatherCard);
