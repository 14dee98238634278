// What needs a trained run: where words come from, continuing a text, and what surprises.
import { $, call, events, make, notice, number, open, root } from "./common.js";
import { openLines, passageOf } from "./beside.js";

// --- words and where they come from ---

export async function explain(box, prompt, text, passage) {
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
    if (event.key === "Escape" && !$("tip").hidden) { hideTip(); event.stopPropagation(); }
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
  const { document, line, column, text } = source;
  try { await openLines({ document, line, column, text: text.trim() || text }); } catch (error) { $("talk").append(notice(error.message)); }
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
export function hideTip() {
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


addEventListener("pane", hideTip);
