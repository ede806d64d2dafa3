// The page: five steps, each shown when the one before it is done.

import { showAnswer } from "/docs/answers.js";
import { bodyOf, element, Field } from "/docs/features.js";
import { Gateway, Refusal } from "/docs/gateway.js";
import { readRow } from "/docs/pasted.js";
import { SNIPPETS } from "/docs/snippets.js";

const $ = (id) => document.getElementById(id);
const gateway = new Gateway();
let contract = null;
let fields = [];
let call = null;
let language = "curl";

$("login-form").addEventListener("submit", (event) => run(event, $("login-error"), logIn));
$("logout").addEventListener("click", logOut);
$("model-name").addEventListener("change", (event) => run(event, $("model-error"), showModel));
$("fill").addEventListener("click", (event) => run(event, $("paste-error"), fillFromPasted));
$("example").addEventListener("click", (event) => run(event, $("paste-error"), fillFromExample));
$("row-form").addEventListener("submit", (event) => run(event, $("row-error"), send));
$("copy").addEventListener("click", copy);
$("openapi").addEventListener("click", (event) => run(event, $("login-error"), download));
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => chooseLanguage(button.dataset.language));
}

// Does what a control is for; what goes wrong is said beside it.
async function run(event, place, action) {
  event.preventDefault();
  say(place, "");
  const button = event.submitter ?? event.target.closest("button");
  if (button) button.disabled = true;
  try {
    await action();
  } catch (error) {
    if (error instanceof Refusal && error.status === 401 && action !== logIn) {
      logOut();
      say($("login-error"), "The access token is no longer valid. Log in again.");
    } else say(place, sentence(error));
  } finally {
    if (button) button.disabled = false;
  }
}

function say(place, text) {
  place.textContent = text;
  place.hidden = !text;
}

function sentence(error) {
  if (error instanceof TypeError) return "The gateway cannot be reached.";
  if (!(error instanceof Refusal)) return error.message;
  const again = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
  const code = error.code ? ` (${error.code})` : "";
  return `${error.message}${again}${code}`;
}

async function logIn() {
  const clientId = $("client-id").value.trim();
  const expiresIn = await gateway.logIn(clientId, $("client-secret").value);
  $("client-secret").value = "";
  const models = await gateway.models();
  $("session-text").textContent = `Logged in as ${clientId}, for ${Math.round(expiresIn / 60)} minutes.`;
  showOnly("session", "model");
  $("login-form").hidden = true;
  $("openapi").disabled = false;
  $("model-name").replaceChildren(...models.map((name) => new Option(name, name)));
  if (!models.length) throw new Error("This client may use no model.");
  await showModel();
  $("model-name").focus();
}

function logOut() {
  gateway.logOut();
  showOnly();
  $("login-form").hidden = false;
  $("openapi").disabled = true;
  $("client-id").focus();
}

// Of what comes after the login, these.
function showOnly(...ids) {
  for (const id of ["session", "model", "row", "answer", "code"]) $(id).hidden = !ids.includes(id);
}

async function showModel() {
  showOnly("session", "model");
  const name = $("model-name").value;
  const read = await gateway.contract(name);
  // Another one may have been picked meanwhile.
  if (name !== $("model-name").value) return;
  contract = read;
  const versions = contract.versions.map(({ version, role }) => `${version} (${role})`).join(", ");
  $("model-facts").replaceChildren(
    ...(contract.description ? [element("p", contract.description)] : []),
    element("p", `Version ${contract.version} answers. In service: ${versions}.`, "quiet"),
  );
  fields = contract.features.map((feature, index) => new Field(feature, index));
  $("features").replaceChildren(...fields.map((field) => field.element));
  $("row").hidden = false;
  fillFromExample();
}

function fillFromPasted() {
  say($("paste-note"), "");
  const { values, rowCount } = readRow($("pasted").value, fields.map(({ feature }) => feature.name));
  fill(values);
  say($("paste-note"), rowCount > 1 ? `The first of ${rowCount} rows is filled in.` : "Filled in.");
}

function fillFromExample() {
  fill(readRow(JSON.stringify(contract.example), fields.map(({ feature }) => feature.name)).values);
}

function fill(values) {
  for (const field of fields) {
    field.fill(values[field.feature.name]);
    field.complain("");
  }
}

async function send() {
  showOnly("session", "model", "row");
  const body = bodyOf(fields);
  const path = `/v1/models/${encodeURIComponent(contract.model)}/predict`;
  try {
    showSuccess(await gateway.predict(path, body));
  } catch (error) {
    if (!(error instanceof Refusal) || error.status === 401) throw error;
    showRefusal(error);
  }
  call = { origin: location.origin, path, body };
  chooseLanguage(language);
  showOnly("session", "model", "row", "answer", "code");
  $("answer-title").focus();
}

function showSuccess({ body, text, requestId, durationMs, limits }) {
  say($("answer-error"), "");
  $("outputs").replaceChildren(...showAnswer(contract.outputs, body));
  const left = limits ? ` Left of your plan: ${leftOf(limits)}.` : "";
  $("answer-facts").textContent =
    `Version ${body.version}, in ${Math.round(durationMs)} ms. Request id ${requestId}.${left}`;
  $("raw").textContent = text;
}

// From `"requests_per_second";r=19;t=1, …`.
function leftOf(limits) {
  const found = limits.matchAll(/"([a-z_]+)";r=(\d+)/g);
  return [...found].map(([, name, left]) => `${left} ${name.replaceAll("_", " ")}`).join(", ");
}

function showRefusal(refusal) {
  const marked = refusal.errors.length ? " What is wrong is marked at its value." : "";
  say($("answer-error"), sentence(refusal) + marked);
  $("outputs").replaceChildren();
  $("answer-facts").textContent = `Status ${refusal.status}. Request id ${refusal.requestId}.`;
  $("raw").textContent = refusal.text;
  for (const fault of refusal.errors) {
    const field = fields.find(({ feature }) => feature.name === fault.feature);
    field?.complain(`Found ${fault.found}; expected ${fault.expected}.`);
  }
}

function chooseLanguage(chosen) {
  language = chosen;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === chosen));
  }
  $("snippet").textContent = SNIPPETS[chosen](call);
  $("copied").textContent = "";
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("snippet").textContent);
    $("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren($("snippet"));
    $("copied").textContent = "Selected: copy it with the keyboard.";
  }
}

async function download() {
  const link = document.createElement("a");
  const address = URL.createObjectURL(new Blob([await gateway.openapi()], { type: "application/json" }));
  link.href = address;
  link.download = "openapi.json";
  link.click();
  URL.revokeObjectURL(address);
}
