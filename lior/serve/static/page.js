"use strict";
// Adds to the page what needs a script. Every text becomes a text node; nothing is ever markup.
const $ = (id) => document.getElementById(id);
const root = document.documentElement;
const editable = root.dataset.editable === "yes", model = root.dataset.model === "yes";
const number = new Intl.NumberFormat("en");
root.classList.add("scripted");

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

async function call(method, path, given, options = {}) {
  const json = given !== undefined && !options.raw;
  const reply = await fetch(path, {
    method, signal: options.signal, body: json ? JSON.stringify(given) : given,
    headers: json ? { "Content-Type": "application/json" } : {},
  });
  if (!reply.ok) {
    const told = await reply.json().catch(() => ({}));
    throw Object.assign(new Error(told.error?.message ?? `the server said ${reply.status}`), { status: reply.status });
  }
  return options.stream ? reply : reply.json();
}
const notice = (text) => make("p", { class: "notice", role: "alert" }, text);

// --- parts of the page ---

const panes = ["ask", "continue", "surprise", "documents", "api"].filter($);  // a folder has no model
function open(pane) {
  for (const name of panes) $(name).hidden = name !== pane;
  for (const link of document.querySelectorAll("[data-open]")) {
    if (link.dataset.open === pane) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  hideTip();
  if (pane === "documents") list();
}
for (const link of document.querySelectorAll("[data-open]")) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const pane = link.dataset.open;
    history.pushState({ pane }, "", pane === "ask" ? "/" : pane === "documents" ? "/documents" : `/#${pane}`);
    open(pane);
    $(pane).querySelector("input:not([type=file]), textarea")?.focus();
  });
}
addEventListener("popstate", () => location.reload());

const themes = ["", "light", "dark"];
function theme(name) {
  if (name) root.dataset.theme = name;
  else delete root.dataset.theme;
  const next = name ? (name === "light" ? "dark" : "as the system") : "light";
  $("theme").setAttribute("aria-label", `Colours: ${name || "as the system"}; change to ${next}`);
}
const kept = () => { try { return localStorage.getItem("theme") ?? ""; } catch { return ""; } };
theme(kept());
$("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(kept()) + 1) % themes.length];
  try { localStorage.setItem("theme", next); } catch { /* then it is for this page alone */ }
  theme(next);
});

// --- asking ---

let asked = 0;
$("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question) return;
  history.pushState({ pane: "ask" }, "", `/?q=${encodeURIComponent(question)}`);
  ask(question);
});

async function ask(question) {
  const turn = ++asked;
  $("answer").setAttribute("aria-busy", "true");
  try {
    const found = await call("POST", "/api/ask", { question, top: 6, lines: true });
    if (turn !== asked) return;
    showAnswer(found);
    const beside = found.shown ?? (found.passages[0] && await lines(found.passages[0]));
    if (turn === asked) showLines(beside);
  } catch (error) {
    if (turn === asked) { $("answer").replaceChildren(notice(error.message)); $("others").replaceChildren(); showLines(null); }
  } finally {
    if (turn === asked) $("answer").removeAttribute("aria-busy");
  }
}

const passageOf = ({ document, line, column, text }) => ({ document, line, column, text });
const lines = (passage) => call("POST", "/api/show", passageOf(passage));

function place(passage, more = "") {
  const address = `/document?${new URLSearchParams({ name: passage.document, line: passage.line })}`;
  const link = make("a", { href: address, onclick: async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try { showLines(await lines(passage)); } catch (error) { $("answer").prepend(notice(error.message)); return; }
    if (matchMedia("(max-width: 899px)").matches) $("beside").scrollIntoView({ block: "start" });
  } }, `${passage.document}:${passage.line}`);
  return make("p", { class: "place" }, link, more);
}

function showAnswer(found) {
  const box = $("answer");
  hideTip();
  if (found.answer) {
    const said = make("span", { class: "said" }, found.answer.text);
    const { text = "", begin = 0, end = 0 } = found.block ?? {};
    const letters = [...text]; // the server counts characters, a string counts halves of some
    const around = (from, to) => from < to ? [make("span", { class: "around" }, letters.slice(from, to).join(""))] : [];
    const quote = make("blockquote", { class: "quote" }, ...around(0, begin), said, ...around(end, letters.length));
    const sure = ` · ${Math.round(found.confidence * 100)}% sure`;
    const source = make("button", { type: "button", class: "quiet", id: "sources" }, "Where do these words come from?");
    source.addEventListener("click", async () => {
      source.disabled = true;
      try {
        await explain(said, "", found.answer.text, found.answer);
        source.replaceWith(make("p", { class: "place" }, "Point at a word, or move with the arrow keys; Enter opens the place."));
        quote.querySelector(".word")?.focus();
      } catch (error) { source.replaceWith(notice(error.message)); }
    });
    box.replaceChildren(quote, place(found.answer, sure), ...(model ? [make("p", {}, source)] : []));
  } else {
    box.replaceChildren(notice(`Nothing in the documents speaks of it: ${found.note}.`));
  }
  const others = found.passages.filter((p) => !found.answer || p.text !== found.answer.text || p.line !== found.answer.line);
  const rows = others.map((p) => make("li", {}, make("p", {}, p.text), place(p)));
  $("others").replaceChildren(...(rows.length ? [make("h3", {}, found.answer ? "Also" : "The nearest"), make("ol", { class: "others" }, ...rows)] : []));
}

function showLines(found) {
  const box = $("beside");
  if (!found) { box.replaceChildren(); return; }
  const { mark } = found;
  const rows = found.lines.map((line, index) => {
    const at = found.first + index;
    if (!mark || at < mark.line || at > mark.end_line) return make("li", { value: at }, line);
    const begin = at === mark.line ? (mark.column ?? 1) - 1 : 0;
    const end = at === mark.end_line && mark.end_column ? mark.end_column - 1 : line.length;
    return make("li", { value: at }, line.slice(0, begin), make("mark", {}, line.slice(begin, end)), line.slice(end));
  });
  const head = make("h2", {}, found.name);
  box.replaceChildren(head, make("p", { class: "place" }, `${number.format(found.total)} line${found.total === 1 ? "" : "s"}`), make("ol", { class: "lines" }, ...rows));
  const marked = box.querySelector("mark");
  box.scrollTop = 0;
  if (marked) box.scrollTop = marked.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

// --- words and where they come from ---

async function explain(box, prompt, text, passage) {
  const given = passage ? { text, passage: passageOf(passage) } : { prompt, text };
  const { words } = await call("POST", "/api/why", given);
  const parts = words.map((word) => {
    const inner = word.text.trim();
    if (!inner) return word.text;
    const from = word.text.indexOf(inner);
    const element = make("button", { type: "button", class: "word", tabindex: "-1" }, inner);
    element.source = word;
    const outer = make("span", {}, word.text.slice(0, from), element, word.text.slice(from + inner.length));
    return outer;
  });
  box.replaceChildren(...parts);
  const buttons = [...box.querySelectorAll(".word")];
  if (buttons.length) buttons[0].tabIndex = 0;
  for (const kind of ["pointerover", "focusin"]) {
    box.addEventListener(kind, (event) => { if (event.target.source) tip(event.target); });
  }
  for (const kind of ["pointerleave", "focusout"]) box.addEventListener(kind, hideTip);
  box.addEventListener("click", (event) => { if (event.target.source) visit(event.target.source.sources[0]); });
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const here = buttons.indexOf(document.activeElement);
    if (event.key === "Escape") hideTip();
    if (!step || here < 0) return;
    event.preventDefault();
    const next = buttons[Math.min(Math.max(here + step, 0), buttons.length - 1)];
    buttons[here].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

async function visit(source) {
  if (!source) return;
  open("ask");
  try {
    showLines(await lines({ document: source.document, line: source.line, column: source.column, text: source.text.trim() || source.text }));
    $("beside").focus();
  } catch (error) { $("answer").replaceChildren(notice(error.message)); }
}

function tip(word) {
  const box = $("tip"), { probability, sources } = word.source;
  const rows = sources.map((each) => {
    const share = make("progress", { class: "bar", max: "1", value: each.share, "aria-label": "share" });
    return make("p", {}, `${each.document}:${each.line}`, share, `…${each.before.slice(-40)}`, make("b", {}, each.text), `${each.after.slice(0, 40)}…`);
  });
  const sure = probability >= 0.0001 ? `${(probability * 100).toPrecision(2)}%` : "almost nothing";
  box.replaceChildren(make("p", {}, `probability ${sure}`), ...(rows.length ? rows : [make("p", {}, "from no stored place")]));
  for (const other of document.querySelectorAll("[aria-describedby=tip]")) other.removeAttribute("aria-describedby");
  word.setAttribute("aria-describedby", "tip");
  box.hidden = false;
  const at = word.getBoundingClientRect();
  const left = Math.max(16, Math.min(at.left, root.clientWidth - box.offsetWidth - 16));
  const below = at.bottom + 8 + box.offsetHeight <= innerHeight || at.top < box.offsetHeight + 16;
  box.style.left = `${left + scrollX}px`;
  box.style.top = `${(below ? at.bottom + 8 : at.top - box.offsetHeight - 8) + scrollY}px`;
}
function hideTip() {
  $("tip").hidden = true;
  for (const word of document.querySelectorAll("[aria-describedby=tip]")) word.removeAttribute("aria-describedby");
}

// --- continuing ---

let drawing = null;
$("stop")?.addEventListener("click", () => drawing?.abort());
$("continue-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  drawing?.abort();
  const mine = drawing = new AbortController(), prompt = $("prompt").value, box = $("drawn");
  const given = { prompt, max_tokens: $("length").valueAsNumber, temperature: $("temperature").valueAsNumber, loop_penalty: 0.5, stream: true };
  const target = document.createTextNode("");
  box.replaceChildren(make("span", { class: "given" }, prompt), target);
  $("drawn-note").textContent = "Writing …";
  $("stop").disabled = false;
  let ended = "";
  try {
    const reply = await call("POST", "/v1/completions", given, { signal: mine.signal, stream: true });
    for await (const part of events(reply.body)) {
      if (part.error) throw new Error(part.error.message);
      target.data += part.choices[0]?.text ?? "";
    }
  } catch (error) { ended = error.name === "AbortError" ? "Stopped. " : `${error.message}. `; }
  if (drawing !== mine) return;
  $("stop").disabled = true;
  const text = target.data.slice(0, 900);
  $("drawn-note").textContent = `${ended}Looking for the sources of the words …`;
  try {
    if (text) {
      const words = make("span");
      await explain(words, prompt, text);
      if (drawing !== mine) return;
      target.replaceWith(words, target.data.slice(text.length));
    }
    $("drawn-note").textContent = `${ended}Point at a word, or move with the arrow keys, to see where it comes from.`;
  } catch (error) { $("drawn-note").textContent = `${ended}${error.message}`; }
});

async function* events(body) {
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

// --- surprise ---

$("surprise-form")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  $("scored-note").textContent = "Reading …";
  try {
    const found = await call("POST", "/api/score", { text: $("text").value });
    $("scored").replaceChildren(...found.words.flatMap((word) => {
      const inner = word.text.trim(), from = word.text.indexOf(inner);
      if (!word.shade || !inner) return [word.text];
      const shaded = make("span", { class: `shade${word.shade}`, title: `${word.bits} bits` }, inner);
      return [word.text.slice(0, from), shaded, word.text.slice(from + inner.length)];
    }));
    const bits = `${found.bits_per_byte.toFixed(2)} bits per byte, ${number.format(Math.round(found.bits))} bits in all`;
    $("scored-note").textContent = bits;
  } catch (error) { $("scored").replaceChildren(); $("scored-note").textContent = error.message; }
});

// --- documents ---

let listing = 0, search = new URLSearchParams(location.search).get("search") ?? "";
$("search").value = search;
$("search-form").addEventListener("submit", (event) => { event.preventDefault(); search = $("search").value; list(); });
$("search").addEventListener("input", () => { search = $("search").value; list(); });

async function list(offset = 0) {
  const turn = ++listing;
  const found = await call("GET", `/api/documents?${new URLSearchParams({ search, offset, count: 100 })}`).catch(() => null);
  if (!found || turn !== listing) return;
  const rows = found.documents.map((each) => {
    const link = make("a", { href: `/document?${new URLSearchParams({ name: each.name })}` }, each.name);
    const row = make("tr", {}, make("td", {}, link), make("td", {}, number.format(each.bytes)),
      make("td", {}, each.added ? each.added.slice(0, 16).replace("T", " ") : "in training"));
    if (editable) row.append(make("td", {}, make("button", { type: "button", onclick: () => forget(each.name), "aria-label": `Forget ${each.name}` }, "Forget")));
    return row;
  });
  const end = offset + found.documents.length;
  if (end < found.total) {
    const more = make("button", { type: "button", class: "quiet", onclick: () => { more.closest("tr").remove(); list(end); } }, `${number.format(found.total - end)} more`);
    rows.push(make("tr", {}, make("td", { colspan: "4" }, more)));
  }
  if (!found.total) rows.push(make("tr", {}, make("td", { colspan: "4" }, "no document of such a name")));
  if (offset) $("list").append(...rows);
  else $("list").replaceChildren(...rows);
}
if (editable) document.querySelector("#documents thead tr").append(make("th", { scope: "col" }, make("span", { class: "away" }, "Forget")));

function job(name, doing) {
  const told = make("span", {}, doing), at = make("progress", { "aria-label": `${name} is at work` });
  const item = make("li", {}, make("span", {}, name), told, at);
  $("jobs").prepend(item);
  while ($("jobs").children.length > 50) $("jobs").lastChild.remove();
  const say = (text) => { told.textContent = text; at.remove(); };
  return { say, fail: (text) => { item.className = "failed"; say(text); } };
}

async function learn(file, replace = false) {
  const name = file.webkitRelativePath || file.name, mine = job(name, "being learned …"), began = performance.now();
  try {
    const { learned } = await call("PUT", `/api/document?${new URLSearchParams({ name, replace })}`, file, { raw: true });
    const size = learned.reduce((sum, each) => sum + each.bytes, 0);
    mine.say(`learned: ${number.format(size)} bytes in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  } catch (error) {
    if (error.status === 409 && confirm(`There is a document ${name}. Shall this file take its place?`)) { mine.say("taking its place"); await learn(file, true); }
    else mine.fail(error.message);
  }
  list(); state();
}

async function forget(name) {
  if (!confirm(`Forget ${name}? Nothing of it stays.`)) return;
  const mine = job(name, "being forgotten …");
  try { await call("DELETE", `/api/document?${new URLSearchParams({ name })}`); mine.say("forgotten"); }
  catch (error) { mine.fail(error.message); }
  list(); state();
}

if (editable) {
  const drop = $("drop");
  $("files").addEventListener("change", () => { for (const file of $("files").files) learn(file); $("files").value = ""; });
  addEventListener("dragover", (event) => { event.preventDefault(); if ($("documents").hidden) open("documents"); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); for (const file of event.dataTransfer.files) learn(file); });
  $("sync").addEventListener("click", async () => {
    const mine = job("folders", "being compared …");
    try {
      const done = await call("POST", "/api/sync");
      mine.say(`${done.learned.length} learned, ${done.changed.length} changed, ${done.forgotten.length} forgotten`);
    } catch (error) { mine.fail(error.message); }
    list(); state();
  });
}

// --- what is being done ---

async function state() {
  const found = await call("GET", "/api/state").catch(() => null);
  if (!found) { $("working").textContent = "the server does not answer"; return; }
  $("sizes").textContent = `${number.format(found.documents)} documents · ${number.format(found.passages)} passages`;
  const idle = found.unread ? `reading ahead: ${number.format(found.unread)} passages left` : "";
  $("working").textContent = found.working ? `${found.working.what}: ${found.working.documents} at work, ${found.waiting} waiting` : idle;
  if (editable) $("sync").hidden = !found.syncs;
}
setInterval(() => { if (!document.hidden) state(); }, 3000);
state();
const wanted = location.hash.slice(1);
if (panes.includes(wanted)) open(wanted);
else if (root.dataset.pane === "ask" && !$("question").value && !$("beside").childElementCount) $("question").focus();
else if (root.dataset.pane === "documents") open("documents");
else if (root.dataset.pane === "ask" && $("question").value && !$("answer").querySelector(".notice")) ask($("question").value);
