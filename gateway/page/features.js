// A contract's features as fields of a form, and what is in them as JSON.
// Numbers stay the text that was typed: 64 bits do not fit into a number of JavaScript's.

const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const INTEGER = /^-?(0|[1-9][0-9]*)$/;
const KINDS = { FP64: "a number", INT64: "a whole number", BOOL: "true or false", BYTES: "text" };

export class Field {
  constructor(feature, index) {
    this.feature = feature;
    this.id = `feature-${index}`;
    this.element = document.createElement("div");
    this.element.className = "feature";
    this.input = control(feature);
    this.input.id = this.id;
    const label = element("label", feature.name);
    label.htmlFor = this.id;
    const hint = element("p", hintOf(feature), "hint");
    hint.id = `${this.id}-hint`;
    this.error = element("p", "", "error");
    this.error.id = `${this.id}-error`;
    this.error.hidden = true;
    this.input.setAttribute("aria-describedby", `${hint.id} ${this.error.id}`);
    this.element.append(label, this.input, hint, this.error);
  }

  // The value as JSON text; throws a sentence where it cannot be said in JSON.
  get json() {
    const { datatype, nullable } = this.feature;
    const text = this.input.value;
    if (text === "" && nullable) return "null";
    if (this.input.tagName === "SELECT") return text || missing();
    if (datatype === "BYTES") return JSON.stringify(text);
    const typed = text.trim();
    if (typed === "") return missing();
    if (datatype === "INT64" && !INTEGER.test(typed)) throw new Error("This is not a whole number.");
    if (!NUMBER.test(typed)) throw new Error("This is not a number. Write 12.5 or 1e-3.");
    return typed;
  }

  // From a value of JSON, or from a cell of CSV.
  fill(value) {
    const isNothing = value === null || value === undefined;
    if (this.input.tagName !== "SELECT") {
      this.input.value = isNothing ? "" : String(value);
      return;
    }
    const wanted = isNothing || value === "" ? "" : String(value);
    const options = [...this.input.options];
    const found = options.find((option) => option.text.toLowerCase() === wanted.toLowerCase());
    this.input.value = found?.value ?? "";
  }

  complain(sentence) {
    this.error.textContent = sentence;
    this.error.hidden = !sentence;
    if (sentence) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

function missing() {
  throw new Error("This value is needed.");
}

function control(feature) {
  const choices = feature.categories ?? (feature.datatype === "BOOL" ? [true, false] : null);
  if (!choices) {
    const input = document.createElement("input");
    input.spellcheck = false;
    if (feature.datatype !== "BYTES") input.inputMode = "decimal";
    input.required = !feature.nullable;
    return input;
  }
  const select = document.createElement("select");
  // A choice has its own name, and its value is the JSON that is sent.
  select.add(new Option(feature.nullable ? "(missing)" : "(choose)", ""));
  for (const choice of choices) select.add(new Option(String(choice), JSON.stringify(choice)));
  select.required = !feature.nullable;
  return select;
}

function hintOf({ datatype, minimum, maximum, unit, nullable, description, categories }) {
  const parts = [];
  if (categories) parts.push(`${upper(KINDS[datatype])}, one of these.`);
  else if (minimum !== undefined && maximum !== undefined) {
    parts.push(`${upper(KINDS[datatype])} from ${minimum} to ${maximum}.`);
  } else if (minimum !== undefined) parts.push(`${upper(KINDS[datatype])}, at least ${minimum}.`);
  else if (maximum !== undefined) parts.push(`${upper(KINDS[datatype])}, at most ${maximum}.`);
  else parts.push(`${upper(KINDS[datatype])}.`);
  if (unit) parts.push(`Unit: ${unit}.`);
  if (nullable) parts.push("May be missing: leave it empty.");
  if (description) parts.push(description);
  return parts.join(" ");
}

function upper(text) {
  return text[0].toUpperCase() + text.slice(1);
}

export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// The body for the values of all fields. Throws after every field has said what is wrong with it.
export function bodyOf(fields) {
  const members = [];
  let wrong = null;
  for (const field of fields) {
    field.complain("");
    try {
      members.push(`${JSON.stringify(field.feature.name)}: ${field.json}`);
    } catch (error) {
      field.complain(error.message);
      wrong ??= field;
    }
  }
  if (wrong) {
    wrong.input.focus();
    throw new Error("Correct the marked values first.");
  }
  return `{"rows": [{${members.join(", ")}}]}`;
}
