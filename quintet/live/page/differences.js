// The same prompts at two moments of a run, or of two runs.

import { badge, pager, promptBlock } from "./answers.js";
import { ask, byId, el, newest, say } from "./dom.js";

const sides = [];
let known = "";

/** Offer the runs and their moments; what was chosen stays chosen. */
export function offer(runs) {
  const told = JSON.stringify(runs.map((run) => [run.id, run.moments, run.answers && [run.answers.first, run.answers.last]]));
  if (told === known || !runs.length) return;
  const first = !known;
  known = told;
  if (first) make();
  sides.forEach((side, index) => fill(side, runs, index));
  const fit = sides.every((side) => side.at.value);
  if (fit && (first || !byId("pairs").childElementCount)) compare();
}

function make() {
  for (const name of ["A", "B"]) {
    const side = { run: el("select", { "aria-label": `Run of side ${name}` }), at: el("select", { "aria-label": `Moment of side ${name}` }), touched: false };
    side.step = el("input", { inputmode: "numeric", size: 5, "aria-label": `Step of side ${name}`, autocomplete: "off" });
    side.box = el("fieldset", { class: "side" }, el("legend", {}, name), side.run, side.at, side.step);
    side.run.addEventListener("change", () => { side.touched = true; moments(side); compare(); });
    side.at.addEventListener("change", () => { side.touched = true; moments(side); compare(); });
    side.step.addEventListener("change", () => { side.touched = true; compare(); });
    sides.push(side);
  }
  byId("sides").replaceChildren(...sides.map((side) => side.box));
}

function fill(side, runs, index) {
  side.runs = runs;
  const before = side.run.value;
  side.run.replaceChildren(...runs.map((run) => el("option", { value: run.id }, run.name)));
  const others = runs.find((run) => run.label !== runs[0].label);
  side.run.value = before || (index && others ? others.id : runs[0].id);
  side.run.hidden = runs.length < 2;
  moments(side, index);
}

/** The chosen run's moments: evaluations, which answer the same held-out prompts, and steps. */
function moments(side, index = 0) {
  const run = side.runs.find(({ id }) => id === side.run.value);
  const before = side.at.value;
  const options = run.moments.map(({ id, name }) => [id, name]);
  if (run.answers) options.push(["s", "training step …"]);
  side.at.replaceChildren(...options.map(([id, name]) => el("option", { value: id }, name)));
  const several = side.runs.length > 1, evaluations = run.moments;
  const wanted = side.touched && options.some(([id]) => id === before) ? before
    : evaluations.length ? evaluations.at(several || index ? -1 : 0).id : options[0]?.[0];
  if (wanted) side.at.value = wanted;
  side.step.hidden = side.at.value !== "s";
  if (run.answers && !side.step.value) side.step.value = index ? run.answers.last : run.answers.first;
}

const compare = newest(async (isNewest, start = 0) => {
  const at = (side) => (side.at.value === "s" ? `s${side.step.value.trim()}` : side.at.value);
  const [a, b] = sides;
  try {
    const answer = await ask("differences", { a: a.run.value, a_at: at(a), b: b.run.value, b_at: at(b), start });
    if (isNewest()) show(answer);
  } catch (error) {
    if (!isNewest()) return;
    say(byId("difference-note"), error.message);
    byId("pairs").replaceChildren();
  }
});

function show({ names, prompts, both, start, shown }) {
  const none = `A has ${prompts[0]} prompts and B ${prompts[1]}, none of them the same. Held-out evaluations answer the same prompts; training steps rarely do, unless two algorithms are compared at the same step.`;
  say(byId("difference-note"), both ? `${both} prompts are in both. Those whose outcome differs come first.` : none);
  const pages = pager(start, shown.length, both, "prompts", compare);
  byId("pairs").replaceChildren(...shown.map((one) => pair(one, names)), ...(pages ? [pages] : []));
}

function pair(one, names) {
  const answers = one.sides.map((side, index) => {
    const told = side.count > 1 ? ` best of ${side.count}, mean reward ${side.mean}` : "";
    const words = side.pieces.map(([text, differs]) => (differs ? el(index ? "ins" : "del", {}, text) : text));
    const more = side.more ? el("small", {}, `${side.more.toLocaleString("en")} more characters are not compared`) : null;
    return el("div", {},
      el("h4", {}, names[index], " ", badge(side), el("small", {}, told)),
      side.picture ? el("pre", { class: "picture", tabindex: 0 }, side.picture) : null,
      el("pre", { class: "text", tabindex: 0 }, ...words), more);
  });
  return el("article", { class: "sample" },
    el("h3", {}, one.prompt_id, " ", el("small", {}, one.level), one.same ? el("small", {}, " the same answer") : null),
    el("div", { class: "side-by-side" }, ...answers), promptBlock(one, "", null));
}
