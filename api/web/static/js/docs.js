// Shows the API's own description (OpenAPI 3.1) to people.

import { byId, element } from "./element.js";
import { visited } from "./shell.js";

const LONGEST = 4;

await visited();
try {
  const answer = await fetch("/api/v1/openapi.json");
  if (!answer.ok) throw new Error(`openapi.json: ${answer.status}`);
  show(await answer.json());
} catch (error) {
  console.error(error);
  byId("problem").hidden = false;
}

function show({ paths, components, tags }) {
  const sections = new Map(tags.map(({ name }) => [name, element("section", {}, element("h2", {}, name))]));
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      sections.get(operation.tags[0]).append(operationOf(method, path, operation, components.schemas));
    }
  }
  byId("operations").append(...sections.values());
}

function operationOf(method, path, operation, schemas) {
  const parts = [];
  if (operation.description) parts.push(element("p", { class: "about" }, operation.description));
  if (operation.parameters.length) {
    const rows = operation.parameters.map(({ name, in: where, required, schema }) => [name, where, typeOf(schema, schemas), required ? "yes" : "no"]);
    parts.push(element("h3", {}, "Parameters"), table(["Name", "In", "Type", "Required"], rows));
  }
  for (const [media, { schema }] of Object.entries(operation.requestBody?.content ?? {})) {
    parts.push(element("h3", {}, `Body: ${media}`));
    if (operation.requestBody.description) parts.push(element("p", { class: "about" }, operation.requestBody.description));
    parts.push(...bodyOf(schema, schemas));
  }
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    if (Number(status) >= 400) continue;
    const [media, { schema }] = Object.entries(content ?? {})[0] ?? [null, {}];
    parts.push(element("h3", {}, [`Answer ${status}`, media].filter(Boolean).join(": ")));
    parts.push(element("p", { class: "about" }, description), ...bodyOf(schema, schemas));
  }
  const errors = Object.entries(operation.responses).filter(([status]) => Number(status) >= 400);
  if (errors.length) {
    parts.push(element("h3", {}, "Errors"), element("p", { class: "about" }, errors.map(([status, { description }]) => `${status} ${description}`).join(" · ")));
  }
  return element(
    "details", { class: "operation", id: operation.operationId },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), element("span", {}, operation.summary)),
    element("div", {}, ...parts),
  );
}

function bodyOf(schema, schemas) {
  const { properties, required = [], description } = resolved(schema ?? {}, schemas);
  const parts = [];
  if (description) parts.push(element("p", { class: "about" }, description));
  if (properties) {
    const rows = Object.entries(properties).map(([name, each]) => [name, typeOf(each, schemas), required.includes(name) ? "yes" : "no"]);
    parts.push(table(["Field", "Type", "Required"], rows));
  }
  return parts;
}

function resolved(schema, schemas) {
  return schema.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema;
}

/** A schema in a few words. */
function typeOf(schema, schemas, depth = 0) {
  if (schema.$ref) {
    const { enum: values } = resolved(schema, schemas);
    return values ? values.join(" | ") : schema.$ref.split("/").at(-1);
  }
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf && depth < LONGEST) return schema.anyOf.map((each) => typeOf(each, schemas, depth + 1)).join(" | ");
  if (schema.type === "array") return schema.items ? `list of ${typeOf(schema.items, schemas, depth + 1)}` : "list";
  const limits = [
    ["minimum", "≥"], ["maximum", "≤"], ["minLength", "length ≥"], ["maxLength", "length ≤"], ["pattern", "like"],
  ].filter(([key]) => key in schema).map(([key, sign]) => `${sign} ${schema[key]}`);
  return [schema.format ?? schema.type ?? "anything", ...limits].join(", ");
}

function table(heads, rows) {
  return element(
    "table", {},
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...rows.map(([first, ...rest]) => element(
      "tr", {}, element("th", { scope: "row" }, element("code", {}, first)), ...rest.map((text) => element("td", {}, text)),
    ))),
  );
}
