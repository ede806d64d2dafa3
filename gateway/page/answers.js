// An answer of one row, as a person reads it.

import { element } from "/docs/features.js";

// What the contract says of each output, with the first entry of each array.
export function showAnswer(outputs, answer) {
  const shown = outputs
    .filter(({ name }) => name in answer)
    .map((output) => showOutput(output, answer[output.name][0]));
  if (answer.tags) shown.push(showTags(answer.tags));
  return shown;
}

function showOutput(output, value) {
  const box = element("div", "", "output");
  if (!Array.isArray(value)) {
    const unit = output.unit ? ` ${output.unit}` : "";
    box.append(element("p", title(output), "quiet"), element("p", `${value}${unit}`, "value"));
    return box;
  }
  const names = output.names ?? output.classes ?? value.map((_, at) => at);
  const shares = output.name.startsWith("probabilities");
  box.append(table(title(output), names.map((name, at) => [name, value[at]]), shares));
  return box;
}

function title({ name, description }) {
  return description ? `${name}: ${description}` : name;
}

function table(caption, rows, shares) {
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  for (const [name, value] of rows) {
    const line = made.insertRow();
    const head = element("th", String(name));
    head.scope = "row";
    line.append(head);
    const cell = element("td", typeof value === "number" ? short(value) : JSON.stringify(value), "number");
    line.append(cell);
    if (shares) {
      const share = line.insertCell();
      share.className = "share";
      share.append(meter(name, value));
    }
  }
  return made;
}

function meter(name, value) {
  const made = document.createElement("meter");
  made.max = 1;
  made.value = value;
  made.setAttribute("aria-label", `${name}: ${short(value)}`);
  return made;
}

function short(value) {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));
}

function showTags(tags) {
  return table("tags", Object.entries(tags), false);
}
