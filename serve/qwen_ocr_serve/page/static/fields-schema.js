/** What is to be filled: names or a JSON Schema, and the request that asks for it. */

import { PageError } from "./errors.js";

/** @typedef {Record<string, any>} Schema */

const LONGEST = 1000; // characters of a value whose field was only named

/**
 * @param {string} text One name a line, or a JSON Schema of an object.
 * @returns {Schema} Throws `PageError` for neither.
 */
export function schemaOf(text) {
  if (text.trim().startsWith("{")) return closed(parsed(text));
  const names = new Set(text.split("\n").map((name) => name.trim()).filter(Boolean));
  if (!names.size) throw new PageError("fieldsNone");
  const value = { anyOf: [{ type: "string", maxLength: LONGEST }, { type: "null" }] };
  return {
    type: "object",
    properties: Object.fromEntries([...names].map((name) => [name, value])),
    required: [...names],
    additionalProperties: false,
  };
}

/** @param {string} text */
function parsed(text) {
  let schema;
  try {
    schema = JSON.parse(text);
  } catch (error) {
    throw new PageError("fieldsSchema", { detail: String(error).replace(/^SyntaxError: /, "") });
  }
  if (schema.type !== "object") throw new PageError("fieldsSchema", { detail: '"type": "object"' });
  return schema;
}

/**
 * Objects have no fields but those that are named, as in qwen_ocr/schemas.py: a model would go on to
 * invent some.
 *
 * @param {any} schema
 * @returns {any}
 */
export function closed(schema) {
  if (Array.isArray(schema)) return schema.map(closed);
  if (schema === null || typeof schema !== "object") return schema;
  const result = Object.fromEntries(
    Object.entries(schema).map(([name, part]) => [name, closed(part)]),
  );
  const { type, properties } = schema;
  const named = properties !== null && typeof properties === "object" && !Array.isArray(properties);
  if (type === "object" && named) result.additionalProperties ??= false;
  return result;
}

/**
 * What the form in the prompt says: names stand there with an empty value, a schema as it is.
 *
 * @param {string} prefix
 * @param {string} text What was written.
 * @param {Schema} schema
 */
export function promptOf(prefix, text, schema) {
  if (text.trim().startsWith("{")) return `${prefix} ${JSON.stringify(schema)}`;
  const form = Object.keys(schema.properties).map((name) => [name, ""]);
  return `${prefix} ${JSON.stringify(Object.fromEntries(form))}`;
}

/** @param {Schema} schema */
export function responseFormat(schema) {
  return { type: "json_schema", json_schema: { name: "answer", schema } };
}
