// A pasted row: JSON by name or in order, one of the gateway's bodies, or a line of CSV.

// Values by the names of the features, and how many rows there were. Throws a sentence.
export function readRow(text, names) {
  const trimmed = text.trim();
  if (!trimmed) throw new Error("Paste a row first.");
  return /^[[{]/.test(trimmed) ? fromJson(trimmed, names) : fromCsv(trimmed, names);
}

function fromJson(text, names) {
  let value;
  try {
    value = JSON.parse(text, exactNumbers);
  } catch {
    throw new Error("This is not valid JSON.");
  }
  if (isObject(value) && isObject(value.columns)) value = rowsOfColumns(value.columns);
  else if (isObject(value) && Array.isArray(value.data)) value = value.data;
  else if (isObject(value) && Array.isArray(value.rows)) value = value.rows;
  else if (!Array.isArray(value) || !isRow(value[0])) value = [value];
  if (!value.length) throw new Error("There is no row in it.");
  const [row] = value;
  const values = Array.isArray(row) ? inOrder(row, names) : byName(row, names);
  return { values, rowCount: value.length };
}

// Whole numbers beyond 2^53 keep their digits where the browser tells them.
function exactNumbers(_key, value, context) {
  const rounded = Number.isInteger(value) && !Number.isSafeInteger(value);
  return rounded && context?.source ? context.source : value;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isRow(value) {
  return typeof value === "object" && value !== null;
}

function rowsOfColumns(columns) {
  const names = Object.keys(columns);
  const count = names.length ? columns[names[0]].length : 0;
  return Array.from({ length: count }, (_, at) =>
    Object.fromEntries(names.map((name) => [name, columns[name][at]])));
}

function fromCsv(text, names) {
  const lines = text.split(/\r?\n/).filter((line) => line.trim()).map(cells);
  const header = lines[0].filter((cell) => names.includes(cell.trim())).length > 0 ? lines.shift() : null;
  if (!lines.length) throw new Error("There is only a header.");
  const [row] = lines;
  if (!header) return { values: inOrder(row, names), rowCount: lines.length };
  if (header.length !== row.length) {
    throw new Error(`The header has ${header.length} names, the row ${row.length} values.`);
  }
  const named = Object.fromEntries(header.map((name, at) => [name.trim(), row[at]]));
  return { values: byName(named, names), rowCount: lines.length };
}

// RFC 4180: a quoted cell may have commas, and a quote twice is a quote.
function cells(line) {
  const separator = line.includes(",") ? "," : line.includes("\t") ? "\t" : ";";
  const found = [];
  let cell = "", quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const sign = line[at];
    if (quoted && sign === '"' && line[at + 1] === '"') {
      cell += '"';
      at += 1;
    } else if (sign === '"') quoted = !quoted;
    else if (sign === separator && !quoted) {
      found.push(cell);
      cell = "";
    } else cell += sign;
  }
  return [...found, cell].map((value) => value.trim());
}

function inOrder(row, names) {
  if (row.length !== names.length) {
    throw new Error(`The row has ${row.length} values, the model ${names.length} features.`);
  }
  return Object.fromEntries(names.map((name, at) => [name, row[at]]));
}

function byName(row, names) {
  const unknown = Object.keys(row).filter((name) => !names.includes(name));
  if (unknown.length) throw new Error(`The model has no feature ${JSON.stringify(unknown[0])}.`);
  return row;
}
