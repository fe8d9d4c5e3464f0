// Draws openapi.json, and sends what is written into a box. All text goes through textContent.
"use strict";

const main = document.getElementById("main");
let description;

function element(name, parent, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function resolved(schema) {
  return schema && schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema || {};
}

// A type in a few words: "text or list of texts (at most 128)".
function words(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = schema.anyOf || schema.oneOf;
  if (several) return several.filter((one) => one.type !== "null").map(words).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return String(schema.const);
  if (schema.type === "array") return `list of ${words(schema.items || {})}` + (schema.maxItems ? `, at most ${schema.maxItems}` : "");
  if (schema.type === "object" && schema.additionalProperties) return `object of ${words(schema.additionalProperties)}`;
  let found = { string: "text", integer: "whole number" }[schema.type] || schema.type || "any value";
  if (schema.maximum !== undefined) found += ` up to ${schema.maximum}`;
  if (schema.maxLength !== undefined) found += ` of up to ${schema.maxLength} characters`;
  return found;
}

function fields(parent, schema, prefix) {
  const whole = resolved(schema);
  const rows = element("tbody", element("table", parent));
  const add = (of, path) => {
    for (const [name, value] of Object.entries(of.properties || {})) {
      const row = element("tr", rows);
      element("code", element("td", row), path + name + ((of.required || []).includes(name) ? " *" : ""));
      element("td", row, words(value));
      element("td", row, value.description || "");
      const inner = (value.anyOf || [value]).find((one) => one.$ref);
      if (inner && !(value.anyOf || []).some((one) => one.type === "array")) add(resolved(inner), path + name + ".");
    }
  };
  add(whole, prefix);
}

async function send(method, path, body, output) {
  output.textContent = "…";
  output.className = "";
  const start = performance.now();
  try {
    const answer = await fetch(path.slice(1) || "./", method === "POST" ? { method, body, headers: { "Content-Type": "application/json" } } : {});
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    output.className = answer.ok ? "" : "bad";
    output.textContent = `${answer.status} · ${Math.round(performance.now() - start)} ms\n\n${shown}`;
  } catch (error) {
    output.className = "bad";
    output.textContent = `no answer: ${error.message}`;
  }
}

function operation(path, method, of) {
  const box = element("details", main);
  const head = element("summary", box);
  element("b", head, method.toUpperCase());
  element("code", head, path);
  element("span", head, (of.description || of.summary || "").split("\n")[0].replaceAll("`", ""));
  const inside = element("div", box, undefined, "inside");
  const content = of.requestBody && of.requestBody.content["application/json"];
  let area;
  if (content) {
    element("h3", inside, "Request (* must be there)");
    fields(inside, content.schema, "");
    const examples = Object.entries(content.examples || {});
    area = element("textarea", inside);
    area.rows = 7;
    area.spellcheck = false;
    area.setAttribute("aria-label", "body of the request");
    const show = (n) => { area.value = examples.length ? JSON.stringify(examples[n][1].value, null, 2) : "{}"; };
    const row = element("div", inside, undefined, "row");
    if (examples.length > 1) {
      const choice = element("select", row);
      choice.setAttribute("aria-label", "example");
      for (const [name] of examples) element("option", choice, name);
      choice.addEventListener("change", () => show(choice.selectedIndex));
    }
    show(0);
    button(row);
  } else {
    button(element("div", inside, undefined, "row"));
  }
  const output = element("pre", inside, "");
  output.setAttribute("aria-live", "polite");
  output.hidden = true;
  function button(parent) {
    element("button", parent, "Send").addEventListener("click", () => {
      output.hidden = false;
      send(method.toUpperCase(), path, area && area.value, output);
    });
  }
  element("h3", inside, "Answers");
  const rows = element("tbody", element("table", inside));
  for (const [status, answer] of Object.entries(of.responses || {})) {
    const row = element("tr", rows);
    element("code", element("td", row), status);
    element("td", row, answer.description || "");
    element("td", row, Object.keys(answer.content || {}).join(", "));
  }
  const good = ((of.responses["200"] || {}).content || {})["application/json"];
  if (good && good.example) element("pre", inside, JSON.stringify(good.example, null, 2));
}

async function start() {
  const answer = await fetch("openapi.json");
  description = await answer.json();
  main.textContent = "";
  for (const part of (description.info.description || "").split("\n\n")) element("p", main, part.replaceAll("`", ""));
  const groups = new Map();
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const [method, of] of Object.entries(operations)) {
      const group = (of.tags || ["other"])[0];
      groups.set(group, [...(groups.get(group) || []), [path, method, of]]);
    }
  }
  for (const [name, members] of groups) {
    element("h2", main, { model: "What the model answers", service: "What the service says of itself" }[name] || name);
    for (const [path, method, of] of members) operation(path, method, of);
  }
}

start().catch((error) => { main.textContent = `The description cannot be read: ${error.message}`; });
