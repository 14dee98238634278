// The conversation: questions and answers one below the other. It is kept in this tab, never on the server.
import { $, call, counted, diary, icon, make, model, notice, root, say, table } from "./common.js";
import { closeLines, isWide, link, linesOf, passageOf, place, shown, showLines } from "./beside.js";
import { replied, stopWriting, streamed, write } from "./compose.js";
import { explain, hideTip } from "./model.js";

const KEPT = 30, BEFORE = 8, PASSAGES = 12, NEAREST = 3, NEAR = 4, LETTERS = 280;  // turns that a reload shows, messages, passages, and lines and letters around a quotation at most
let turns = kept();  // each { question, before, filters, record, reply, good }
let waiting = Promise.resolve();
const box = $("question"), composer = root.dataset.composer;

// --- what is kept ---

function keep() {
  turns = turns.slice(-KEPT);
  try { sessionStorage.setItem("talk", JSON.stringify({ name: root.dataset.name, turns })); } catch { /* a reload begins anew */ }
}

function kept() {
  try {
    const found = JSON.parse(sessionStorage.getItem("talk"));
    return found.name === root.dataset.name ? found.turns.filter(({ record }) => record.wording && (!record.result || record.wording.times)) : [];
  } catch { return []; }
}

export function forgetTalk() {
  stopWriting();
  turns = [];
  keep();
  $("talk").replaceChildren();
  $("ask").classList.remove("begun");
  $("told").textContent = "";
  showLines(null);
  $("new").hidden = true;
}

// The messages that a follow-up may be about: what was said before a question that stands alone does not matter.
function before() {
  const alone = turns.findLastIndex(({ record }) => record.answer && record.method && !record.result && !record.inherited?.length);
  return turns.slice(Math.max(alone, turns.length - BEFORE, 0)).map((turn) => turn.question);
}

// --- filters ---

const form = $("ask-form"), WORDS = { sender: "from", after: "after", before: "before", kind: "kind", path: "in" };
const described = (filters) => Object.entries(filters).map(([name, value]) => `${say(WORDS[name])} ${value}`);

function chosen() {
  const given = Object.keys(WORDS).map((name) => [name, form.elements[name].value.trim()]);
  return Object.fromEntries(given.filter(([, value]) => value));
}

function tellFilters() {
  $("filtered").textContent = described(chosen()).map((each) => ` · ${each}`).join("");
}
$("filters").addEventListener("input", tellFilters);
tellFilters();

// --- asking ---

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const question = box.value.trim();
  if (!question) return;
  box.value = "";
  ask(question);
});

function ask(question) {
  const filters = chosen();
  history.replaceState({ pane: "ask" }, "", `/?${new URLSearchParams({ q: question, ...filters })}`);
  hideTip();
  stopWriting();
  restore();
  const turn = { question, filters, good: {} }, article = drawn(turn);
  article.setAttribute("aria-busy", "true");
  article.append(make("p", { class: "place" }, say("Looking …")));
  article.scrollIntoView({ block: "start" });
  waiting = waiting.then(() => answer(turn, article));
}

async function answer(turn, article) {
  try {
    turn.before = before();
    const given = { question: turn.question, history: turn.before, ...turn.filters };
    const stream = composer ? await streamed(given) : null;
    const { shown: lines, ...record } = stream?.found ?? await call("POST", "/api/ask", { ...given, top: PASSAGES, lines: true });
    if (!article.isConnected) return;  // a new conversation was begun meanwhile
    turn.record = record;
    turns.push(turn);
    keep();
    fill(article, turn);
    $("told").textContent = summary(record);
    focus(article);
    await besides(record, lines);
    if (!stream?.sources.length) return;
    turn.reply = await write(stream, article.querySelector(".reply"), article.querySelector(".told"));
    $("told").textContent = turn.reply.text;
    keep();
  } catch (error) {
    fill(article, turn, notice(error.name === "AbortError" ? say("Stopped.") : error.message));
    focus(article);
    box.value ||= turn.question;  // to be mended
  } finally {
    article.removeAttribute("aria-busy");
  }
}

// Show the document beside the answer, where there is room.
async function besides({ answer, result, passages }, lines) {
  const first = answer ?? result?.rows[0] ?? passages[0];
  if (first && isWide()) showLines(lines ?? await linesOf(first).catch(() => null), usedIn(result, first));
}

// The lines of a document that a calculation used.
const usedIn = (result, { document }) => (result?.rows ?? []).filter((row) => row.document === document).map((row) => row.line);

function focus(article) {
  if (document.activeElement === box && box.value) return;  // the next question is being written
  article.scrollIntoView({ block: "start" });
  article.focus({ preventScroll: true });
}

// What a screen reader says when the answer is there.
function summary({ said, answer, wording }) {
  if (said) return said;
  return answer ? `${wording.likely}: ${answer.text} ${answer.document}, ${say("line {}", wording.lang, answer.line)}` : wording.refusal;
}

// --- turns on the page ---

function drawn(turn) {
  $("new").hidden = false;
  const title = make("h2", { class: "asked", id: `asked-${$("talk").childElementCount + 1}` }, turn.question);
  const article = make("article", { class: "turn", tabindex: "-1", "aria-labelledby": title.id }, title);
  $("talk").append(article);
  $("ask").classList.add("begun");
  return article;
}

function restore() {
  if (!$("talk").childElementCount) for (const turn of turns) fill(drawn(turn), turn);
}
addEventListener("pane", ({ detail }) => { if (detail === "ask") restore(); });

// Questions that were tried on these documents, until a conversation begins.
async function suggest() {
  if (turns.length || $("talk").childElementCount) return;
  const { questions } = await call("GET", "/api/suggestions").catch(() => ({ questions: [] }));
  $("suggested").replaceChildren(...questions.map((question) =>
    make("li", {}, make("button", { type: "button", class: "quiet", onclick: () => ask(question) }, question))));
}
suggest();

function fill(article, turn, fault = null) {
  const { record } = turn, told = make("p", { class: "place told", role: "status" });
  const reply = make("div", { class: "reply" }, ...(turn.reply ? replied(turn.reply, told) : []));
  const parts = fault ? [fault] : [...conditions(turn), ...body(turn, told), ...others(turn, told), reply, told];
  article.replaceChildren(article.firstElementChild, ...parts);
}

// What a question was asked with besides its own words.
function conditions({ record: { inherited = [], wording }, filters }) {
  const parts = [...(inherited.length ? [say("with {} from before", wording.lang, inherited.join(", "))] : []), ...described(filters)];
  return parts.length ? [make("p", { class: "inherited" }, parts.join(" · "))] : [];
}

function body(turn, told) {
  const { record } = turn;
  if (record.said || record.result) return spoken(turn, told);
  if (!record.answer) return [make("p", { class: "notice", ...lang(record.wording) }, record.wording.refusal)];
  const said = make("span", { class: "said" }, record.answer.text);
  const { text = "", begin = 0, end = 0 } = record.block ?? {};
  const letters = [...text];  // the server counts characters, a string counts halves of some
  const before = letters.slice(0, begin).join(""), after = letters.slice(end).join("");
  const last = [...before.split("\n").slice(-NEAR).join("\n")].slice(-LETTERS).join(""), next = [...after.split("\n").slice(0, NEAR).join("\n")].slice(0, LETTERS).join("");
  const around = (text) => text ? [make("span", { class: "around" }, text)] : [];  // the rest is beside
  const quote = make("blockquote", { class: "quote", ...lang(record) }, ...around(last === before ? last : `…${last}`), said, ...around(next === after ? next : `${next}…`));
  const { document, line } = record.answer;
  const buttons = [copier(`“${record.answer.text}” (${document}:${line})`, told),
    tool(say("Open"), "open", () => shown(record.answer, told)), ...thumbs(turn, record.answer, told),
    ...(model ? [sources(said, quote, record.answer)] : [])];
  return [quote, place(record.answer, told, " ", sure(record)), tools(buttons)];
}

// What is calculated or said instead of a quotation.
function spoken({ record }, told) {
  const { said, result, wording } = record;
  if (!result) return [make("p", { class: "saying", ...lang(wording) }, said)];
  const { value, sentence, arithmetic } = wording, text = said || `${value}: ${wording.about}`;
  const parts = value ? [make("p", { class: "number" }, value)] : [];
  parts.push(make("div", { class: "saying", ...lang(wording) }, sentence, " ", sure(record)));
  if (arithmetic) parts.push(make("p", { class: "arithmetic" }, arithmetic));
  parts.push(make("p", { class: "place" }, wording.about), ...chart(result, wording));
  const { rows, cells = [] } = result, list = () =>
    make("ol", { class: "others" }, ...rows.map((row) => make("li", {}, make("p", {}, row.text), place(row, told))));
  if (rows.length) {
    const summed = make("summary", {}, counted(rows.length, "1 row used", "{} rows used", wording.lang));
    const used = make("details", { class: "also" }, summed, cells.length ? rowsOf(record, told) : list());
    used.open = rows.length <= 10;
    parts.push(used);
  }
  const from = [...new Set(rows.map((row) => row.document))].join(", ");
  return [...parts, tools([copier([text, arithmetic, from].filter(Boolean).join("\n"), told)])];
}

// The rows of a calculation: events as lines of a diary, others as a table, each with a link to its line.
function rowsOf({ result, wording }, told) {
  const { cells, rows } = result, several = new Set(rows.map((row) => row.document)).size > 1;
  const links = rows.map((row) => link(row, told, `${several ? `${row.document}:` : ""}${row.line}`, usedIn(result, row)));
  if (!wording.times.length) return table(wording.columns, cells, links, wording.lang);
  return diary(cells.map(([, , title, where], n) => [wording.times[n], title, where]), links);
}

// The groups with a bar for each, if all values are numbers: as bars() in lior_ask.
function chart({ groups = [], unit = "" }, wording) {
  const NUMBER = /^[-−]?\d[\d,]*(\.\d+)?\D*$/, drawn = groups.every(([, value]) => NUMBER.test(value));
  const numbers = groups.map(([, value]) => drawn ? parseFloat(value.replace("−", "-").replaceAll(",", "")) : 0);
  const low = Math.min(0, ...numbers), scale = 100 / (Math.max(0, ...numbers) - low || 1);
  const rows = groups.map(([name], n) => {
    const shown = `${wording.groups[n][1]} ${unit}`.trim(), x = scale * (Math.min(numbers[n], 0) - low), width = scale * Math.abs(numbers[n]);
    const rect = make("rect", { x: `${x}%`, width: `${width}%`, height: "100%" });
    const bar = make("td", { class: "bar" }, make("svg", { role: "img" }, make("title", {}, `${name}: ${shown}`), rect));
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, shown), ...(drawn ? [bar] : []));
  });
  return rows.length ? [make("table", { class: "cells bars" }, ...rows)] : [];
}

function others(turn, told) {
  const { answer, block, passages, result, wording, dates = [] } = turn.record;
  if (result) return [];  // its rows are shown
  const when = (n) => dates[n] ? [` · ${dates[n].slice(0, 16)}`] : [];
  const same = (p) => answer && p.text === answer.text && p.line === answer.line && p.document === answer.document;
  const inside = (p) => block && p.document === block.document && p.line >= block.line && p.line <= block.end_line && block.text.includes(p.text);
  const rows = passages.filter((p) => !same(p) && !inside(p)).slice(0, answer ? PASSAGES : dates.length || NEAREST).map((p, n) =>
    make("li", {}, make("p", lang(p), p.text), make("div", { class: "line" }, place(p, told, ...when(n)), ...thumbs(turn, p, told).slice(0, 1))));
  if (!rows.length) return [];
  if (dates.length) return [make("ol", { class: "others" }, ...rows)];  // an overview
  const title = answer ? counted(rows.length, "1 more passage", "{} more passages", wording.lang) : say("The nearest passages", wording.lang);
  const list = make("details", { class: "also" }, make("summary", {}, title), make("ol", { class: "others" }, ...rows));
  list.open = !answer && !turn.record.said;
  return [list];
}

function sure({ likely, confidence, wording }) {
  const number = `\u00a0${Math.round(confidence * 100)}%`;
  return make("details", { class: "sure", "data-likely": likely }, make("summary", lang(wording), wording.likely), number);
}

// The attribute with the language of a text, where it is known and not that of the page.
function lang({ lang }) { return lang && lang !== root.lang ? { lang } : {}; }

// --- what can be done with an answer ---

const tools = (buttons) => make("div", { class: "tools", role: "group", "aria-label": say("This answer") }, ...buttons.flat());

function tool(text, drawing, onclick) {
  return make("button", { type: "button", class: "plain", onclick }, icon(drawing), text);
}

function copier(text, told) {
  if (!navigator.clipboard) return [];  // an address without encryption
  return tool(say("Copy"), "copy", async () => {
    try { await navigator.clipboard.writeText(text); told.textContent = say("Copied."); } catch { told.textContent = say("The browser did not allow it."); }
  });
}

function thumbs(turn, passage, told) {
  if (root.dataset.confirms !== "yes") return [];
  const key = `${passage.document}:${passage.line}:${passage.text}`;
  const send = async (good) => {
    const given = { question: turn.question, history: turn.before, ...turn.filters, passage: passageOf(passage), good };
    try {
      const { question, changed } = await call("POST", "/api/confirm", given);
      const now = good ? "This counts" : changed ? "This no longer counts" : "This was not confirmed, so it does not count";
      told.textContent = say(`${now} as an answer to “{}”.`, root.lang, question);
      turn.good[key] = good;
      up.setAttribute("aria-pressed", good);
      keep();
    } catch (error) { told.textContent = error.message; }
  };
  const thumb = (drawing, label, good) =>
    make("button", { type: "button", class: "plain", "aria-label": label, title: label, onclick: () => send(good) }, icon(drawing));
  const up = thumb("up", say("This is the right answer"), true), down = thumb("down", say("This is not the right answer"), false);
  up.setAttribute("aria-pressed", turn.good[key] ?? false);
  return [up, down];
}

function sources(said, quote, passage) {
  const button = make("button", { type: "button", class: "plain sources", onclick: async () => {
    button.disabled = true;
    try {
      await explain(said, "", passage.text, passage);
      button.replaceWith(make("span", { class: "place" }, "Point at a word, or move with the arrow keys; Enter opens the place."));
      quote.querySelector(".word")?.focus();
    } catch (error) { button.replaceWith(notice(error.message)); }
  } }, say("Where do these words come from?"));
  return button;
}

// --- keys ---

$("new").addEventListener("click", () => {
  forgetTalk();
  for (const name of Object.keys(WORDS)) form.elements[name].value = "";
  tellFilters();
  history.replaceState({ pane: "ask" }, "", "/");
  box.focus();
});

document.addEventListener("keydown", (event) => {
  if ($("ask").hidden) return;
  if (event.key === "Escape" && $("tip").hidden && !closeLines()) box.focus();
  const letter = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (letter && event.target.matches(".turn")) box.focus();  // the key then writes into the box
});

// --- the beginning ---

// Show the conversation of this tab; a question in the address that is not its last one begins a new one.
export function resume() {
  if (location.pathname === "/document") return;  // the document is read; the conversation goes on with a question
  const question = new URLSearchParams(location.search).get("q")?.trim();
  $("talk").replaceChildren();  // the server's answer to the question in the address
  if (question) box.value = "";
  const last = turns.at(-1), filters = JSON.stringify(chosen());
  if (question && (last?.question !== question || JSON.stringify(last.filters) !== filters)) {
    forgetTalk();
    ask(question);
    return;
  }
  restore();
  box.focus({ preventScroll: true });
  if (!turns.length) return;
  besides(turns.at(-1).record);
  $("talk").lastElementChild.scrollIntoView({ block: "start" });
}
