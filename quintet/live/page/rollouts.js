// The answers of one step by prompt, the best advantage first; or those of all steps that hold a text.

import { answerItem, pager, promptBlock } from "./answers.js";
import { ask, byId, el, newest, say } from "./dom.js";

let run = "";
let place = { step: null, before: null, after: null, last: null, start: 0, groups: 0 };
let searching = false;

const problem = (error) => {
  say(byId("rollout-note"), error.message);
  byId("groups").replaceChildren();
};

const load = newest(async (isNewest, step, start = 0) => {
  searching = false;
  const wanted = () => isNewest() && !searching; // an answer that comes behind a search's must not take its place
  try {
    const answer = await ask("step", { run, step: step ?? "last", start });
    if (wanted()) show(answer);
  } catch (error) {
    if (wanted()) problem(error);
  }
});

function show(answer) {
  place = answer;
  byId("step").value = answer.step;
  byId("before").disabled = answer.before === null;
  byId("after").disabled = answer.after === null;
  say(byId("rollout-note"), `Step ${answer.step}: ${answer.answers} answers to ${answer.groups} prompts, the best advantage first.`);
  const pages = pager(answer.start, answer.shown.length, answer.groups, "prompts", (start) => leave(answer.step, start));
  byId("groups").replaceChildren(...answer.shown.map(group), ...(pages ? [pages] : []));
}

function group(one) {
  return el("article", {},
    el("h3", {}, one.prompt_id || `prompt ${one.group}`, " ", el("small", {}, one.level)),
    promptBlock(one, run, one.answers[0]?.at),
    el("ol", { class: "rollouts" }, ...one.answers.map((answer) => answerItem(answer, run))));
}

/** Go to a step by hand: from now on the page doesn't jump to the newest. */
function leave(step, start = 0) {
  byId("follow").checked = false;
  return load(step, start);
}

export const earlierStep = () => place.before !== null && leave(place.before);
export const laterStep = () => place.after !== null && leave(place.after);
export const turnPage = (by) => byId("groups").querySelector(by > 0 ? ".page-after" : ".page-before")?.click();

/** The chosen run, as it stands now: shown from the start where it is another, followed where that is wanted. */
export function follow(chosen) {
  const answers = chosen?.answers;
  if (chosen && chosen.id !== run) {
    run = chosen.id;
    byId("follow").checked = true;
    place = { ...place, last: null, step: null };
    if (!answers) {
      const how = chosen.read < 1 ? `The answers are being read: ${Math.round(100 * chosen.read)} %.` : "No answers yet. Stages that learn from a data set sample none.";
      return problem(new Error(how));
    }
  }
  const reading = byId("groups").matches(":focus-within"); // what somebody has opened or selected stays under their hands
  if (answers && byId("follow").checked && !searching && !reading && answers.last !== place.last) return load(null);
  if (answers && answers.last !== place.last && place.last !== null) {
    place.last = answers.last;
    place.after ??= answers.last > place.step ? answers.last : null;
    byId("after").disabled = place.after === null;
  }
  return undefined;
}

const search = newest(async (isNewest, text, from = 0, list = null) => {
  searching = true;
  try {
    const { hits, next, searched } = await ask("search", { run, text, from });
    if (!isNewest() || !searching) return;
    list ??= byId("groups").replaceChildren() ?? byId("groups").appendChild(el("ol", { class: "rollouts hits" }));
    list.append(...hits.map((hit) => answerItem(hit, run, found(hit))));
    list.nextSibling?.remove();
    const number = list.childElementCount;
    say(byId("rollout-note"), `${number || "No"} ${number === 1 ? "answer holds" : "answers hold"} “${text}” in ${Math.round(100 * searched)} % of the file.`);
    if (next !== null) list.after(el("button", { type: "button", onclick: () => search(text, next, list) }, "Search on"));
  } catch (error) {
    if (isNewest() && searching) problem(error);
  }
});

function found(hit) {
  const [before, here, after] = hit.pieces;
  return el("div", {},
    el("pre", { class: "text", tabindex: 0 }, before, el("mark", {}, here), after),
    el("button", { type: "button", class: "quiet", onclick: () => leave(hit.step) }, `step ${hit.step}, ${hit.prompt_id}`));
}

export function wireRollouts() {
  byId("before").addEventListener("click", earlierStep);
  byId("after").addEventListener("click", laterStep);
  byId("step").addEventListener("change", ({ target }) => /^\d+$/.test(target.value.trim()) && leave(target.value.trim()));
  byId("follow").addEventListener("change", ({ target }) => target.checked && load(null));
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = byId("text").value;
    if (text) search(text);
    else load(place.step);
  });
}
