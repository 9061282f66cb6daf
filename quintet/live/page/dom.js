// Elements are made here and nowhere else. Text goes in as text: nothing a model wrote is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null && child !== false));
  return node;
}

export const el = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const byId = (id) => document.getElementById(id);

/** Set a text only where it changed: what somebody has selected, or hears read out, stays. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** What the server answers to a question; its own sentence as an Error where it can't. */
export async function ask(what, parameters = {}) {
  const response = await fetch(`data/${what}?${new URLSearchParams(parameters)}`);
  const answer = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) throw new Error(answer.error ?? `The server answered ${response.status}.`);
  return answer;
}

/** The same function, but only the newest of several calls that overlap gets through. */
export function newest(work) {
  let call = 0;
  return async (...given) => {
    const mine = ++call;
    return work(() => mine === call, ...given);
  };
}
