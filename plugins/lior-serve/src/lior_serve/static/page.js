// The frame of the page: its parts, colours, the list of documents, and what the server does.
import { $, call, editable, make, number, open, panes, root, say } from "./common.js";
import { forgetTalk, resume } from "./talk.js";

root.classList.add("scripted");
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
  $("theme").setAttribute("aria-label", say("Colours: {}; change to {}", root.lang, say(name || "as the system"), say(next)));
}
const kept = () => { try { return localStorage.getItem("theme") ?? ""; } catch { return ""; } };
theme(kept());
$("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(kept()) + 1) % themes.length];
  try { localStorage.setItem("theme", next); } catch { /* then it is for this page alone */ }
  theme(next);
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
      make("td", {}, each.added ? each.added.slice(0, 16).replace("T", " ") : say("in training")));
    if (editable) row.append(make("td", {}, make("button", { type: "button", onclick: () => forget(each.name), "aria-label": `Forget ${each.name}` }, "Forget")));
    return row;
  });
  const end = offset + found.documents.length;
  if (end < found.total) {
    const more = make("button", { type: "button", class: "quiet", onclick: () => { more.closest("tr").remove(); list(end); } }, say("{} more", root.lang, number.format(found.total - end)));
    rows.push(make("tr", {}, make("td", { colspan: "4" }, more)));
  }
  if (!found.total) rows.push(make("tr", {}, make("td", { colspan: "4" }, say("no document of such a name"))));
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
  try { await call("DELETE", `/api/document?${new URLSearchParams({ name })}`); mine.say("forgotten"); forgetTalk(); }
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
  if (!found) { $("working").textContent = say("the server does not answer"); return; }
  $("sizes").textContent = say("{} documents · {} passages", root.lang, number.format(found.documents), number.format(found.passages));
  const idle = found.unread ? say("reading ahead: {} passages left", root.lang, number.format(found.unread)) : "";
  $("working").textContent = found.working ? `${found.working.what}: ${found.working.documents} at work, ${found.waiting} waiting` : idle;
  if (editable) $("sync").hidden = !found.syncs;
}
setInterval(() => { if (!document.hidden) state(); }, 3000);
state();
addEventListener("pane", ({ detail }) => { if (detail === "documents") list(); });
const wanted = location.hash.slice(1);
if (panes.includes(wanted)) open(wanted);
else if (root.dataset.pane === "documents") open("documents");
else if (root.dataset.pane === "ask") resume();
