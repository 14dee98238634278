// What all parts of the page use. Every text becomes a text node; nothing is ever markup.
export const $ = (id) => document.getElementById(id);
export const root = document.documentElement;
export const editable = root.dataset.editable === "yes", model = root.dataset.model === "yes";
export const number = new Intl.NumberFormat(root.lang);

// A label in a language; that of the page, unless it stands beside an answer to a question in another one.
const LABELS = JSON.parse(root.dataset.labels);
export const say = (text, lang = root.lang, ...parts) => (LABELS[lang]?.[text] ?? text).replaceAll("{}", () => parts.shift());
export const counted = (count, one, several, lang = root.lang) => count === 1 ? say(one, lang) : say(several, lang, number.format(count));

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
  }).catch((error) => { throw error.name === "AbortError" ? error : new Error(say("the server does not answer")); });
  if (!reply.ok) {
    const told = await reply.json().catch(() => ({}));
    throw Object.assign(new Error(told.error?.message ?? `the server said ${reply.status}`), { status: reply.status });
  }
  return options.stream ? reply : reply.json();
}

// Rows below a header, each with what stands at its end. Wide ones are stacked: the numbers are letters that fit a screen.
const SHORT = /^[^\p{L}]{1,20}$/u, WORD = 18, NAME = 12, PHONE = 42, DESK = 64;
const longest = (text) => SHORT.test(text) ? text.length : Math.max(...text.split(/\s+/).map((word) => word.length));
const kindOf = (text, most) => SHORT.test(text) ? "short" : longest(text) > most ? "long" : "";
export function table(columns, rows, ends = [], lang = root.lang) {
  const names = [...columns, ...(ends.length ? [say("line", lang)] : [])], texts = rows.map((cells) => cells.map((cell) => cell.textContent ?? cell));
  const widths = names.map((name, at) => 2.4 + Math.max(Math.min(longest(name), NAME), ...texts.map((cells) => Math.min(longest(cells[at] ?? ""), WORD))));
  const width = widths.reduce((sum, each) => sum + each, 0), size = width > DESK ? " wide" : width > PHONE ? " many" : "";
  const head = make("tr", {}, ...names.map((name) => make("th", { scope: "col", class: kindOf(name, NAME) }, name)));
  const cell = (n, at, shown) => make("td", { "data-name": names[at] ?? "", class: texts[n][at] === "" ? "none" : kindOf(texts[n][at] ?? "", WORD) }, shown);
  return make("table", { class: `cells rows${size}` }, head, ...rows.map((cells, n) =>
    make("tr", {}, ...[...cells, ...ends.slice(n, n + 1)].map((shown, at) => cell(n, at, shown)))));
}

// Events as lines of day and time, title, and place.
export const diary = (rows, ends = []) => make("ul", { class: "others events" }, ...rows.map(([time, title, place], n) =>
  make("li", {}, make("b", {}, time), " ", title, ...(place ? [` · ${place}`] : []), ...(ends[n] ? [" · ", ends[n]] : []))));

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
