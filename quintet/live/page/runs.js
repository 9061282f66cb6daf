// How the runs stand: a comparison's table or a run's strip, the numbers of the chosen run, where its time went.

import { byId, el, say } from "./dom.js";
import { colour } from "./colours.js";

const COLUMNS = ["state", "step", "held out", "reward", "tokens/s", "time left"];
const rows = new Map();
let body = null;

export function showRuns(told, chosen, choose) {
  const { runs } = told;
  say(byId("name"), told.name);
  document.title = `${standing(told)} · ${told.name}`;
  say(byId("standing"), standing(told));
  showAdvice(told.advice);
  say(byId("runs-h"), told.kind === "run" ? "The run" : "The runs");
  if (told.kind === "run") return showStrip(runs[0]);
  if (!body) makeTable();
  for (const run of runs) {
    if (!rows.has(run.id)) addRow(run, choose);
    fillRow(rows.get(run.id), run, run.id === chosen);
  }
  const order = runs.map(({ id }) => rows.get(id)); // the server's: a run that begins late still stands among its label's
  if (order.some((row, index) => body.children[index] !== row)) body.append(...order);
  return undefined;
}

function standing({ kind, runs }) {
  if (kind === "run") {
    const [run] = runs;
    if (!run || run.state === "waiting") return "Waiting for the first step";
    const place = `step ${stepOf(run)}`;
    const left = run.left ? `, about ${run.left} left` : "";
    return `${name(run.state)}${run.reason ? ` (${run.reason})` : ""}: ${run.stage} at ${place}${left}`;
  }
  const of = (state) => runs.filter((run) => run.state === state).length;
  const told = ["running", "waiting", "quiet", "failed", "stopped"].filter(of).map((state) => `${of(state)} ${state}`);
  return [`${of("done")} of ${runs.length} runs done`, ...told].join(", ");
}

function stepOf({ step, steps, share }) {
  const told = step.toLocaleString("en");
  if (steps) return `${told} of ${steps.toLocaleString("en")}`;
  return share ? `${told} (${Math.round(100 * share)}\u202f% of its budget)` : told;
}

const name = (state) => state[0].toUpperCase() + state.slice(1);

function showAdvice(sentences) {
  const box = byId("advice");
  if (box.dataset.told === sentences.join("\n")) return;
  box.dataset.told = sentences.join("\n");
  box.replaceChildren(...(sentences.length ? [el("ul", { class: "advice" }, ...sentences.map((s) => el("li", {}, s)))] : []));
}

function showStrip(run) {
  const box = byId("run-list");
  const facts = run
    ? [["State", run.state], ["Stage", run.stage], ["Step", stepOf(run)], ["Held out", run.score],
       ["Trained for", run.elapsed], ["Time left", run.left]].filter(([, value]) => value)
    : [];
  if (box.childElementCount !== 1 || !box.querySelector(".progress")) {
    box.replaceChildren(el("div", {}, progress(), el("dl", { class: "facts" })));
  }
  setProgress(box.querySelector(".progress"), run);
  const list = box.querySelector("dl");
  while (list.childElementCount > facts.length) list.lastChild.remove();
  facts.forEach(([term, value], index) => {
    const row = list.children[index] ?? list.appendChild(el("div", {}, el("dt"), el("dd")));
    say(row.children[0], term);
    say(row.children[1], value);
  });
}

const progress = () => el("div", { class: "progress", role: "progressbar", "aria-label": "Done", "aria-valuemin": 0, "aria-valuemax": 100 }, el("i"));

function setProgress(bar, run) {
  const share = run?.share ?? 0;
  bar.setAttribute("aria-valuenow", Math.round(100 * share));
  bar.firstChild.style.width = `${100 * share}%`;
  bar.className = `progress ${run?.state ?? "waiting"}`;
}

function makeTable() {
  body = el("tbody");
  const head = ["run", ...COLUMNS].map((title) => el("th", { scope: "col" }, title));
  const table = el("table", { class: "runs" }, el("thead", {}, el("tr", {}, ...head)), body);
  byId("run-list").replaceChildren(el("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Runs" }, table));
}

function addRow(run, choose) {
  const button = el("button", { type: "button", class: "link", onclick: () => choose(run.id) }, run.name);
  const cells = COLUMNS.map(() => el("td"));
  cells[0].append(el("span", { class: "state" }), progress());
  const row = el("tr", {}, el("th", { scope: "row" }, el("span", { class: `swatch c${colour(run.label)}` }), button), ...cells);
  rows.set(run.id, row);
  body.append(row);
}

function fillRow(row, run, chosen) {
  row.classList.toggle("chosen", chosen);
  row.querySelector("button").setAttribute("aria-pressed", chosen);
  const [state, ...cells] = [...row.children].slice(1);
  const word = state.querySelector(".state");
  say(word, run.state);
  word.className = `state ${run.state}`;
  word.title = run.reason;
  setProgress(state.querySelector(".progress"), run);
  const told = [run.steps ? `${run.step}/${run.steps}` : `${run.step}`, run.score, run.reward, run.speed, run.left];
  cells.forEach((cell, index) => say(cell, told[index] || "–"));
}

/** The chosen run's numbers, and where its time went. */
export function showNumbers(run) {
  const list = byId("cards");
  const numbers = run?.numbers ?? [];
  while (list.childElementCount > numbers.length) list.lastChild.remove();
  numbers.forEach((number, index) => {
    const card = list.children[index] ?? list.appendChild(el("div", {}, el("dt"), el("dd"), el("dd", { class: "begun" }), el("dd", { class: "note" })));
    say(card.children[0], number.title);
    say(card.children[1], number.value);
    say(card.children[2], number.begun ? `from ${number.begun}` : " ");
    say(card.children[3], number.note);
  });
  showTime(run?.time ?? []);
}

function showTime(parts) {
  const box = byId("time");
  const told = parts.map((part) => `${part.name} ${part.told}`).join("; ");
  if (box.dataset.told === told) return;
  box.dataset.told = told;
  if (!parts.length) return box.replaceChildren();
  const bar = el("div", { class: "shares", role: "img", "aria-label": `Where the time went: ${told}` });
  parts.forEach((part, index) => {
    const piece = bar.appendChild(el("i", { class: `part p${Math.min(index, 4)}` }));
    piece.style.width = `${100 * part.share}%`;
  });
  const legend = parts.map((part, index) =>
    el("li", {}, el("span", { class: `swatch p${Math.min(index, 4)}` }), `${part.name} `, el("small", {}, part.told)));
  return box.replaceChildren(el("h3", {}, "Where the time went"), bar, el("ul", { class: "legend" }, ...legend));
}
