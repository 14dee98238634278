// What all parts of the page use. Every text becomes a text node; nothing is ever markup.
export const $ = (id) => document.getElementById(id);
export const root = document.documentElement;
export const editable = root.dataset.editable === "yes", model = root.dataset.model === "yes";
export const number = new Intl.NumberFormat("en");

const DRAWN = new Set(["svg", "use", "rect", "title"]);  // names of SVG; the page makes no title of HTML

export function make(name, attributes = {}, ...children) {
  const element = DRAWN.has(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export const icon = (name) => make("svg", { class: "icon", "aria-hidden": "true" }, make("use", { href: `#icon-${name}` }));

export async function call(method, path, given, options = {}) {
  const json = given !== undefined && !options.raw;
  const reply = await fetch(path, {
    method, signal: options.signal, body: json ? JSON.stringify(given) : given,
    headers: json ? { "Content-Type": "application/json" } : {},
  }).catch((error) => { throw error.name === "AbortError" ? error : new Error("the server does not answer"); });
  if (!reply.ok) {
    const told = await reply.json().catch(() => ({}));
    throw Object.assign(new Error(told.error?.message ?? `the server said ${reply.status}`), { status: reply.status });
  }
  return options.stream ? reply : reply.json();
}

export const notice = (text) => make("p", { class: "notice", role: "alert" }, text);

// The objects of a stream of events.
export async function* events(body) {
  const decoder = new TextDecoder();
  let held = "";
  const reader = body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    held += decoder.decode(value ?? new Uint8Array(), { stream: !done });
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
    if (done) return;
  }
}

// --- parts of the page ---

export const panes = ["ask", "continue", "surprise", "documents", "api"].filter($);  // a folder has no model
export function open(pane) {
  for (const name of panes) $(name).hidden = name !== pane;
  for (const link of document.querySelectorAll("[data-open]")) {
    if (link.dataset.open === pane) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  dispatchEvent(new CustomEvent("pane", { detail: pane }));
}
