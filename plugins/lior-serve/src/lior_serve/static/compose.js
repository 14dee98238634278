// An answer in a language model's words: streamed, and checked against the passages that it was given.
import { call, counted, events, make, root, say } from "./common.js";
import { link, place } from "./beside.js";

const NUMBERS = /\[(\d{1,6}(?:\s?[,;]\s?\d{1,6})*)\]/, MARKS = /\((?:no such passage|not in the passages|not a passage given)\)/;
const PARTS = new RegExp(`(${NUMBERS.source.replace("(", "(?:")}|${MARKS.source})`);
let writing = null;

export const stopWriting = () => writing?.abort();

// What was found, the passages that the model is given, and what it says of them.
export async function streamed(given) {
  writing = new AbortController();
  const reply = await call("POST", "/api/compose", given, { signal: writing.signal, stream: true });
  const parts = events(reply.body), { value } = await parts.next();
  if (value.error) throw new Error(value.error.message);
  return { found: { ...value.answer, inherited: value.inherited }, sources: value.sources, parts };
}

// Write a reply into a box as it comes; it is what a reload shows again.
export async function write({ sources, parts }, box, told) {
  const text = make("p", { class: "words" }), stop = make("button", { type: "button", class: "plain", onclick: stopWriting }, say("Stop"));
  box.replaceChildren(title(), text, stop);
  const reply = { text: "", cited: [], wrong: 0, note: "" };
  try {
    for await (const part of parts) {
      if (part.error) throw new Error(part.error.message);
      if (part.text) text.textContent = reply.text += part.text;
      if (part.reply) Object.assign(reply, part.reply, { cited: sources.filter((each) => part.reply.cited.includes(each.number)) });
    }
  } catch (error) { reply.note = error.name === "AbortError" ? say("Stopped; it was not checked.") : `${error.message}.`; }
  box.replaceChildren(...replied(reply, told));
  return reply;
}

const title = () => make("h3", {}, say("In the words of {}", root.lang, root.dataset.composer));

// A reply with links to its sources, and marks at what is not in them.
export function replied({ text, cited, wrong, note }, told) {
  const pieces = text.split(PARTS).filter(Boolean).map((piece) => {
    if (MARKS.test(piece)) return make("mark", { class: "wrong" }, piece);
    const numbers = NUMBERS.test(piece) ? piece.match(/\d+/g).map(Number) : [];
    const known = cited.filter((each) => numbers.includes(each.number));
    return known.length ? make("span", {}, ...known.map((each) => link(each, told, `[${each.number}]`))) : piece;
  });
  const rows = cited.map((each) => make("li", { value: each.number }, place(each, told)));
  const lacking = wrong ? counted(wrong, "1 of what it cites or quotes is not in the passages, and marked.", "{} of what it cites or quotes are not in the passages, and marked.") : "";
  const none = text && !note && !cited.length ? say("It cites no passage.") : "";
  const notes = [note, lacking, none].filter(Boolean).map((each) => make("p", { class: "place warned" }, each));
  return [title(), make("p", { class: "words" }, ...pieces), ...notes, ...(rows.length ? [make("ol", { class: "sources" }, ...rows)] : [])];
}
