// The document beside the conversation; on a narrow screen a sheet that is opened and closed.
import { $, call, counted, diary, icon, make, say, table } from "./common.js";

const wide = matchMedia("(min-width: 900px)");
export const isWide = () => wide.matches;
export const passageOf = ({ document, line, column, text }) => ({ document, line, column, text });
export const linesOf = (passage) => call("POST", "/api/show", passageOf(passage));
let opener = null;

// A table, a calendar, a mail or a text with headings; what the answer uses of it is marked.
function viewOf({ kind, columns, rows = [], head = [], parts = [] }, used) {
  const marked = (text, it = true) => it && text ? [make("mark", {}, text)] : [text];
  const span = (text, it) => make("span", {}, ...marked(text, it));
  const cells = rows.map((row) => row.cells.map((cell, n) => kind === "events" && n > 1 ? cell : span(cell, used.includes(row.line))));
  if (kind === "events") return [diary(cells)];
  if (kind === "table") return [table(columns, cells)];
  const named = head.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  const told = parts.map(({ style, text: [before, said, after] }) => make("p", { class: style }, before,
    ...(said && before && kind === "mail" ? [" "] : []), ...marked(said), ...(said && after && kind === "mail" ? [" "] : []), after));
  return [...(named.length ? [make("dl", {}, ...named)] : []), ...told];
}

export function showLines(found, used = []) {
  const box = $("beside");
  if (!found) { box.classList.remove("open"); box.replaceChildren(); return; }
  const { mark } = found;
  const rows = found.lines.map((line, index) => {
    const at = found.first + index;
    if (!mark || at < mark.line || at > mark.end_line) return make("li", { value: at }, line);
    const letters = [...line]; // the server counts characters, a string counts halves of some
    const part = (from, to) => letters.slice(from, to).join("");
    const begin = at === mark.line ? (mark.column ?? 1) - 1 : 0;
    const end = at === mark.end_line && mark.end_column ? mark.end_column - 1 : letters.length;
    return make("li", { value: at }, part(0, begin), make("mark", {}, part(begin, end)), part(end));
  });
  const close = make("button", { type: "button", class: "plain close", "aria-label": say("Close the document"), onclick: closeLines }, icon("close"));
  const size = counted(found.total, "1 line", "{} lines");
  const head = make("div", { class: "head" }, make("div", {}, make("h2", {}, found.name), make("p", { class: "place" }, size)), close);
  const lines = make("ol", { class: "lines" }, ...rows), view = found.view && make("div", { class: "view" });
  view?.append(...viewOf(found.view, used.length ? used : [mark.line]));
  box.replaceChildren(head, ...(view ? [view, make("details", { class: "also raw" }, make("summary", {}, say("Raw text")), lines)] : [lines]));
  const marked = box.querySelector("mark");
  box.scrollTop = 0;
  if (marked) box.scrollTop = marked.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
}

// Show where a passage stands, and move the focus there; closing gives it back.
export async function openLines(passage, used) {
  opener = document.activeElement;
  $("beside").classList.add("open");
  showLines(await linesOf(passage), used);
  $("beside").focus({ preventScroll: isWide() });
}

export function closeLines() {
  if (!$("beside").classList.contains("open")) return false;
  $("beside").classList.remove("open");
  opener?.focus();
  return true;
}

// A link to a passage in its document, which is shown beside the conversation.
export function link(passage, told, text, used) {
  const address = `/document?${new URLSearchParams({ name: passage.document, line: passage.line })}`;
  return make("a", { href: address, onclick: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    shown(passage, told, used);
  }, title: `${passage.document}:${passage.line}` }, text);
}

export function place(passage, told, ...more) {
  const named = link(passage, told, `${passage.document}:${passage.line}`);
  return make("div", { class: "place" }, named, ...(passage.place ? [` · ${passage.place}`] : []), ...more);
}

export async function shown(passage, told, used) {
  try { await openLines(passage, used); } catch (error) { closeLines(); told.textContent = error.message; }
}
