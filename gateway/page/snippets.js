// The call of this page as code that works elsewhere. `body` is JSON text.

export const SNIPPETS = { curl, python, javascript };

function curl({ origin, path, body }) {
  return `# TOKEN=$(curl -sS -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials ${origin}/oauth/token | jq -r .access_token)
curl -sS ${origin}${path} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '${body.replaceAll("'", "'\\''")}'
`;
}

function python({ origin, path, body }) {
  return `import base64, json, os, urllib.parse, urllib.request

BASE = ${JSON.stringify(origin)}

def call(path, body, **headers):
    request = urllib.request.Request(BASE + path, body, headers)
    with urllib.request.urlopen(request, timeout=15) as answer:
        return json.load(answer)

pair = os.environ["CLIENT_ID"] + ":" + os.environ["CLIENT_SECRET"]
basic = "Basic " + base64.b64encode(pair.encode()).decode()
token = call("/oauth/token", b"grant_type=client_credentials", Authorization=basic)["access_token"]

body = ${pythonLiteral(body)}
answer = call(
    ${JSON.stringify(path)},
    json.dumps(body).encode(),
    **{"Authorization": "Bearer " + token, "Content-Type": "application/json"},
)
print(answer)
`;
}

// JSON's words for truth and nothing are not Python's; inside strings they stay.
function pythonLiteral(json) {
  const words = { true: "True", false: "False", null: "None" };
  return json.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (part) => words[part] ?? part);
}

function javascript({ origin, path, body }) {
  return `const base = ${JSON.stringify(origin)};
const { CLIENT_ID, CLIENT_SECRET } = process.env;

const form = new URLSearchParams({
  grant_type: "client_credentials", client_id: CLIENT_ID, client_secret: CLIENT_SECRET,
});
const { access_token } = await (await fetch(\`\${base}/oauth/token\`, { method: "POST", body: form })).json();

const answer = await fetch(base + ${JSON.stringify(path)}, {
  method: "POST",
  headers: { Authorization: \`Bearer \${access_token}\`, "Content-Type": "application/json" },
  body: JSON.stringify(${body}),
});
console.log(answer.status, await answer.json());
`;
}
