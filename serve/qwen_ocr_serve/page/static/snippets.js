/** The same call as code, ready to paste. The key is never in it, only where it is looked for. */

/**
 * @typedef {object} Call
 * @property {string} origin The server's root, without a slash at the end.
 * @property {string} model
 * @property {string} prompt
 * @property {string} file
 * @property {string} type Its media type.
 */

/** @param {Call} call */
export function curl({ origin, prompt, file }) {
  const head = shell(`{"text": ${JSON.stringify(prompt)}, "image": "`);
  return `{ printf %s ${head}; base64 < ${shell(file)}; printf %s '"}'; } |
  tr -d '\\n' |
  curl --fail-with-body ${shell(`${origin}/api/v1/ocr`)} \\
    --header "Authorization: Bearer $QWEN_OCR_API_KEY" \\
    --header "Content-Type: application/json" \\
    --data-binary @-`;
}

/** @param {Call} call */
export function pythonClient({ origin, prompt, file }) {
  return `from qwen_ocr import OCRClient

# The key is taken from the environment variable QWEN_OCR_API_KEY.
with OCRClient(${python(origin)}) as client:
    print(client.ocr(${python(file)}, ${python(prompt)}))`;
}

/** @param {Call} call */
export function openaiSdk({ origin, model, prompt, file, type }) {
  return `import base64
import os
from pathlib import Path

from openai import OpenAI

client = OpenAI(
    base_url=${python(`${origin}/v1`)},
    api_key=os.environ.get("QWEN_OCR_API_KEY", "none"),
)
image = base64.b64encode(Path(${python(file)}).read_bytes()).decode()
answer = client.chat.completions.create(
    model=${python(model)},
    temperature=0,
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
print(answer.choices[0].message.content)`;
}

/** A whole document as Markdown. @param {Call} call */
export function documentCurl({ origin, file }) {
  const name = file.replace(/["\\]/g, "\\$&");
  return `curl --fail-with-body ${shell(`${origin}/v1/ocr`)} \\
  --header "Authorization: Bearer $QWEN_OCR_API_KEY" \\
  --header "Accept: text/markdown" \\
  --form ${shell(`file=@"${name}"`)}`;
}

/** @param {Call} call */
export function openaiJavaScript({ origin, model, prompt, file, type }) {
  return `import { readFile } from "node:fs/promises";
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: ${JSON.stringify(`${origin}/v1`)},
  apiKey: process.env.QWEN_OCR_API_KEY ?? "none",
});
const image = await readFile(${JSON.stringify(file)}, "base64");
const answer = await client.chat.completions.create({
  model: ${JSON.stringify(model)},
  temperature: 0,
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
console.log(answer.choices[0].message.content);`;
}

/** A string literal: JSON's are Python's, too. @param {string} text */
export function python(text) {
  return JSON.stringify(text);
}

/** One word of a POSIX shell. @param {string} text */
export function shell(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
