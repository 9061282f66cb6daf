// What the server says goes to those who show it; what the keyboard says, too. The page only ever asks its own server.

import { onChoice, showCurves } from "./charts.js";
import { colour } from "./colours.js";
import { offer } from "./differences.js";
import { ask, byId, el, newest, say } from "./dom.js";
import { earlierStep, follow, laterStep, turnPage, wireRollouts } from "./rollouts.js";
import { showNumbers, showRuns } from "./runs.js";

const CURVES_EVERY = 1500; // milliseconds between two drawings at most
let told = null; // the newest overview
let run = null; // the run that somebody chose
let shown = null; // the run that is shown
let metric = "";
let drawn = 0, waiting = null;

const axis = () => document.querySelector("input[name=x]:checked").value;

// ---- what the server says ----------------------------------------------------------------------------------------------

function listen() {
  const events = new EventSource("data/events");
  events.onopen = () => connection(true);
  events.onerror = () => connection(false);
  events.onmessage = ({ data }) => {
    told = JSON.parse(data);
    for (const { label } of told.runs) colour(label);
    if (told.runs.length) connection(true);
    showOverview();
    drawSoon();
  };
}

function connection(there) {
  const state = there ? (told?.runs.some(({ state: s }) => s === "running") ? "running" : "there") : "gone";
  byId("dot").className = `dot-state ${state}`;
  say(byId("connection"), { running: "Live", there: "Connected", gone: "The server is gone. What was last seen stays here." }[state]);
}

/** The run that somebody chose; until then one that is under way, or else the first with answers. */
function chosen() {
  const [of, now] = [run, shown].map((wanted) => told.runs.find(({ id }) => id === wanted));
  const underWay = ({ state }) => state === "running";
  const one = of ?? (now && underWay(now) ? now : told.runs.find(underWay) ?? now ?? told.runs.find(({ answers }) => answers) ?? told.runs[0]);
  shown = one?.id ?? null;
  return one;
}

function showOverview() {
  const one = chosen();
  offerRuns();
  showRuns(told, one?.id, choose);
  showNumbers(one);
  follow(one);
  offer(told.runs);
}

function offerRuns() {
  const select = byId("run");
  byId("run-choice").hidden = told.runs.length < 2;
  if (select.childElementCount !== told.runs.length) {
    select.replaceChildren(...told.runs.map(({ id, name }) => el("option", { value: id }, name)));
  }
  if (document.activeElement !== select) select.value = shown ?? "";
}

function choose(id) {
  run = id;
  byId("run").value = id;
  showOverview();
}

const draw = newest(async (isNewest) => {
  drawn = Date.now();
  try {
    const answer = await ask("curves", { metric, x: axis() });
    if (!isNewest()) return;
    metric = answer.large?.key ?? metric;
    offerMetrics(answer.metrics);
    showCurves(answer);
  } catch (error) {
    if (isNewest() && !(error instanceof TypeError)) say(byId("connection"), error.message); // TypeError: the server is gone
  }
});

/** Draw now, or as soon as the last drawing is old enough; not at all while nobody looks. */
function drawSoon() {
  if (document.hidden || waiting) return;
  waiting = setTimeout(() => {
    waiting = null;
    draw();
  }, Math.max(0, drawn + CURVES_EVERY - Date.now()));
}

function offerMetrics(metrics) {
  const select = byId("metric");
  const known = [...select.options].map(({ value }) => value).join();
  if (known !== metrics.map(([key]) => key).join()) {
    select.replaceChildren(...metrics.map(([key, title]) => el("option", { value: key }, title)));
  }
  select.value = metric;
}

function showMetric(key) {
  metric = key;
  draw();
}

// ---- the keyboard ------------------------------------------------------------------------------------------------------

const SECTIONS = ["runs", "curves", "numbers", "rollouts", "differences"];

function goTo(id) {
  const heading = byId(`${id}-h`);
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  byId(id).scrollIntoView();
}

function turn(select, by, then) {
  const { options, selectedIndex } = select;
  if (options.length) then(options[(selectedIndex + by + options.length) % options.length].value);
}

const KEYS = {
  m: () => turn(byId("metric"), 1, showMetric),
  M: () => turn(byId("metric"), -1, showMetric),
  r: () => turn(byId("run"), 1, choose),
  R: () => turn(byId("run"), -1, choose),
  x: () => {
    const all = [...document.querySelectorAll("input[name=x]")];
    all[(all.findIndex(({ checked }) => checked) + 1) % all.length].checked = true;
    draw();
  },
  j: laterStep,
  k: earlierStep,
  n: () => turnPage(1),
  p: () => turnPage(-1),
  "/": () => byId("text").focus(),
  "?": () => byId("keys").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
  if (event.target.closest("input:not([type=radio], [type=checkbox]), select, textarea")) return;
  const section = SECTIONS[Number(event.key) - 1];
  const act = section ? () => goTo(section) : Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!act) return;
  event.preventDefault();
  act();
}

document.addEventListener("keydown", onKey);
document.addEventListener("visibilitychange", drawSoon);
byId("show-keys").addEventListener("click", KEYS["?"]);
byId("run").addEventListener("change", ({ target }) => choose(target.value));
byId("metric").addEventListener("change", ({ target }) => showMetric(target.value));
byId("axis").addEventListener("change", () => draw());
onChoice(showMetric);
wireRollouts();
listen();
