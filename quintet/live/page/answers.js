// One answer or prompt as it is shown everywhere: its grade, its text as text, the rest of it on demand.

import { ask, el } from "./dom.js";

export function badge({ outcome, reward }) {
  if (!outcome) return el("span", { class: "badge" }, `reward ${reward}`);
  return el("span", { class: `badge ${outcome}` }, `${outcome === "solved" ? "✓" : "✗"} ${outcome}`);
}

/** A block of text that scrolls by keyboard too; `whole`: how to ask for what was cut off. */
export function textBlock({ text, more }, whole = null) {
  const block = el("pre", { class: "text", tabindex: 0 }, text);
  if (!more) return block;
  const rest = el("button", { type: "button", class: "quiet" }, `${more.toLocaleString("en")} more characters`);
  if (!whole) return el("div", {}, block, el("small", {}, rest.textContent));
  rest.addEventListener("click", async () => {
    rest.disabled = true;
    try {
      const all = await ask("answer", whole);
      block.textContent = all.text + (all.more ? ` … (${all.more.toLocaleString("en")} more characters)` : "");
      block.focus();
      rest.remove();
    } catch (problem) {
      rest.disabled = false;
      rest.textContent = problem.message;
    }
  });
  return el("div", {}, block, rest);
}

export function promptBlock(row, run, at) {
  if (!row.prompt.text) return null;
  return el("details", {}, el("summary", {}, "Prompt"), textBlock(row.prompt, at == null ? null : { run, at, what: "prompt" }));
}

export function answerItem(answer, run, inside = null) {
  const facts = [`reward ${answer.reward}`, ...answer.parts, `${answer.tokens} tokens${answer.stop ? `, ${answer.stop}` : ""}`];
  const sign = { 1: "better", "-1": "worse" }[answer.sign];
  const about = el("div", { class: "about" },
    el("b", { class: sign, title: "advantage" }, answer.advantage || "–"),
    answer.outcome ? badge(answer) : null,
    el("small", {}, facts.join(" · ")));
  return el("li", {}, about, inside ?? textBlock(answer, { run, at: answer.at }));
}

/** Buttons to the pages before and after, and which of how many are shown. */
export function pager(start, shown, all, what, go) {
  if (all <= shown && !start) return null;
  return el("div", { class: "pager" },
    el("button", { type: "button", class: "page-before", disabled: !start, "aria-label": `Earlier ${what}`, onclick: () => go(Math.max(0, start - 6)) }, "‹"),
    el("span", {}, `${what} ${start + 1}–${start + shown} of ${all.toLocaleString("en")}`),
    el("button", { type: "button", class: "page-after", disabled: start + shown >= all, "aria-label": `Later ${what}`, onclick: () => go(start + shown) }, "›"));
}
