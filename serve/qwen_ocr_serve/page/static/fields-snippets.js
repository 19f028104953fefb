/** The call that fills fields, as code. The key is only looked for in the environment. */

import { responseFormat } from "./fields-schema.js";
import { python, shell } from "./snippets.js";

/**
 * @param {import("./snippets.js").Call} call
 * @param {import("./fields-schema.js").Schema} schema
 * @returns {{name: string, code: string}[]}
 */
export function fieldSnippets(call, schema) {
  return [
    { name: "Python", code: inPython(call, schema) },
    { name: "curl", code: inCurl(call, schema) },
    { name: "JavaScript", code: inJavaScript(call, schema) },
  ];
}

/** @param {import("./snippets.js").Call} call @param {import("./fields-schema.js").Schema} schema */
function inPython({ origin, model, prompt, file, type }, schema) {
  return `import base64
import json
import os
from pathlib import Path

from openai import OpenAI

client = OpenAI(
    base_url=${python(`${origin}/v1`)},
    api_key=os.environ.get("QWEN_OCR_API_KEY", "none"),
)
schema = json.loads(${python(JSON.stringify(schema))})
image = base64.b64encode(Path(${python(file)}).read_bytes()).decode()
answer = client.chat.completions.create(
    model=${python(model)},
    temperature=0,
    response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}},
    messages=[
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:${type};base64,{image}"}},
                {"type": "text", "text": ${python(prompt)}},
            ],
        }
    ],
)
print(json.loads(answer.choices[0].message.content))`;
}

/** @param {import("./snippets.js").Call} call @param {import("./fields-schema.js").Schema} schema */
function inCurl({ origin, model, prompt, file, type }, schema) {
  const request = JSON.stringify({
    model,
    temperature: 0,
    response_format: responseFormat(schema),
    messages: [
      {
        role: "user",
        content: [
          { type: "text", text: prompt },
          { type: "image_url", image_url: { url: `data:${type};base64,` } },
        ],
      },
    ],
  });
  const at = request.lastIndexOf("base64,") + "base64,".length;
  const [head, tail] = [shell(request.slice(0, at)), shell(request.slice(at))];
  return `{ printf %s ${head}; base64 < ${shell(file)} | tr -d '\\n'; printf %s ${tail}; } |
  curl --fail-with-body ${shell(`${origin}/v1/chat/completions`)} \\
    --header "Authorization: Bearer $QWEN_OCR_API_KEY" \\
    --header "Content-Type: application/json" \\
    --data-binary @-`;
}

/** @param {import("./snippets.js").Call} call @param {import("./fields-schema.js").Schema} schema */
function inJavaScript({ origin, model, prompt, file, type }, schema) {
  return `import { readFile } from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${JSON.stringify(`${origin}/v1`)},
  apiKey: process.env.QWEN_OCR_API_KEY ?? "none",
});
const schema = ${JSON.stringify(schema)};
const image = await readFile(${JSON.stringify(file)}, "base64");
const answer = await client.chat.completions.create({
  model: ${JSON.stringify(model)},
  temperature: 0,
  response_format: { type: "json_schema", json_schema: { name: "answer", schema } },
  messages: [
    {
      role: "user",
      content: [
        { type: "image_url", image_url: { url: \`data:${type};base64,\${image}\` } },
        { type: "text", text: ${JSON.stringify(prompt)} },
      ],
    },
  ],
});
console.log(JSON.parse(answer.choices[0].message.content));`;
}
