// The calls that this page makes. The access token lives in this object and nowhere else.

export class Refusal extends Error {
  // What the gateway answered in place of what was asked for.
  constructor(status, body, requestId, retryAfter) {
    super(body.detail ?? body.error_description ?? `The gateway answered ${status}.`);
    this.status = status;
    this.code = body.code ?? body.error ?? "";
    this.errors = body.errors ?? [];
    this.requestId = requestId;
    this.retryAfter = retryAfter;
    this.text = JSON.stringify(body, null, 2);
  }
}

export class Gateway {
  #token = "";

  async logIn(clientId, clientSecret) {
    const form = new URLSearchParams({
      grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret,
    });
    const { body } = await this.#send("/oauth/token", { method: "POST", body: form });
    this.#token = body.access_token;
    return body.expires_in;
  }

  logOut() {
    this.#token = "";
  }

  async models() {
    return (await this.#send("/v1/models")).body.models;
  }

  async contract(model) {
    return (await this.#send(`/v1/models/${encodeURIComponent(model)}`)).body;
  }

  async predict(path, text) {
    const headers = { "Content-Type": "application/json" };
    return this.#send(path, { method: "POST", headers, body: text });
  }

  async openapi() {
    return (await this.#send("/openapi.json")).text;
  }

  async #send(path, options = {}) {
    const headers = { ...options.headers };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    const started = performance.now();
    // Without credentials of the browser's own: a 401 then opens no dialogue.
    const answer = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
    const text = await answer.text();
    const durationMs = performance.now() - started;
    const body = parsed(text);
    const requestId = answer.headers.get("X-Request-ID") ?? "";
    if (!answer.ok) {
      throw new Refusal(answer.status, body, requestId, answer.headers.get("Retry-After"));
    }
    return { body, text, requestId, durationMs, limits: answer.headers.get("RateLimit") ?? "" };
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
