// Curves as SVG: a large one that can be read off by pointer or keyboard, and small ones that choose it.

import { byId, el, say, svg } from "./dom.js";
import { colour } from "./colours.js";

const hidden = new Set();
let shown = null; // what the server answered last
let cursor = null; // where values are read off, on the x axis; null: at the end
let parts = null; // the large chart's lasting elements
let choose = () => {};

export function onChoice(call) {
  choose = call;
}

export function showCurves(answer) {
  shown = answer;
  if (!answer.large) {
    parts = null;
    byId("large").replaceChildren(el("p", { class: "note" }, "No numbers yet. They appear here as the first step is written."));
    return byId("small").replaceChildren();
  }
  parts ??= makeLarge();
  drawLarge();
  return drawSmall();
}

const format = (value, unit) => {
  if (!Number.isFinite(value)) return "–";
  if (unit === "percent") return `${(100 * value).toFixed(1)}\u202f%`;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e9)) return value.toExponential(1).replace("-", "−").replace("e-", "e−");
  return value.toLocaleString("en", { maximumSignificantDigits: 3 }).replace("-", "−");
};

const lines = () => shown.large.lines.filter((line) => !hidden.has(line.label));

// ---- the large chart ---------------------------------------------------------------------------------------------------

function makeLarge() {
  const drawing = svg("svg", { class: "chart", "aria-hidden": true });
  const plot = el("div", { class: "plot", tabindex: 0, role: "group", onkeydown: byKeyboard, onpointermove: byPointer, onpointerleave: () => moveTo(null) }, drawing);
  const title = el("h3"), note = el("p", { class: "note" }), legend = el("ul", { class: "legend large" });
  const readout = el("p", { class: "note readout", role: "status" });
  const table = el("details", {}, el("summary", {}, "Numbers behind the chart"), el("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Numbers behind the chart" }));
  table.addEventListener("toggle", drawTable);
  byId("large").replaceChildren(el("figure", {}, el("figcaption", {}, title, note), legend, plot, readout, table));
  new ResizeObserver(() => shown?.large && drawLarge()).observe(plot);
  return { drawing, plot, title, note, legend, readout, table };
}

function drawLarge() {
  const { large, x } = shown;
  say(parts.title, large.title);
  say(parts.note, large.note);
  parts.plot.setAttribute("aria-label", `${large.title} over ${x.title}. ${describe()} Arrow keys read off values.`);
  const width = Math.max(240, parts.plot.clientWidth), height = width < 500 ? 240 : 340;
  const place = scales(x, large, { left: 52, right: 14, top: 18, bottom: 34, width, height });
  parts.drawing.setAttribute("width", width);
  parts.drawing.setAttribute("height", height);
  parts.drawing.replaceChildren(...axes(x, large, place), ...curves(large, place, lines()), svg("g", { class: "cursor" }));
  parts.place = place;
  drawLegend();
  drawCursor();
  drawTable();
}

function scales(x, chart, box) {
  const { left, right, top, bottom, width, height } = box;
  return {
    ...box,
    x: (value) => left + ((value - x.low) / (x.high - x.low)) * (width - left - right),
    y: (value) => top + (1 - (Math.min(Math.max(value, chart.low), chart.high) - chart.low) / (chart.high - chart.low)) * (height - top - bottom),
    at: (pixel) => x.low + ((pixel - left) / (width - left - right)) * (x.high - x.low),
  };
}

function axes(x, chart, place) {
  const { left, right, top, bottom, width, height } = place;
  const drawn = [];
  for (const [value, name] of chart.ticks) {
    const y = place.y(value);
    drawn.push(svg("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }));
    drawn.push(svg("text", { class: "tick end", x: left - 8, y: y + 4 }, name));
  }
  for (const [value, name] of x.ticks) {
    const at = place.x(value), kind = at > width - 40 ? "tick end" : value === x.low ? "tick" : "tick middle";
    drawn.push(svg("text", { class: kind, x: at, y: height - bottom + 16 }, name));
  }
  drawn.push(svg("text", { class: "tick end", x: width - right, y: height - 4 }, x.title));
  drawn.push(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }));
  x.stages.forEach(([value, name], index) => {
    const at = place.x(index ? value : x.low);
    if (index) drawn.push(svg("line", { class: "boundary", x1: at, x2: at, y1: 2, y2: height - bottom }));
    drawn.push(svg("text", { class: "stage", x: at + (index ? 4 : 0), y: 10 }, name));
  });
  return drawn;
}

function curves(chart, place, some, radius = 3) {
  return some.flatMap((line) => {
    const kind = `c${colour(line.label)}`;
    const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${place.x(x).toFixed(1)} ${place.y(y).toFixed(1)}`).join("");
    const band = line.band.length
      ? [svg("path", { class: `band ${kind}`, d: `${path(line.band.map(([x, , high]) => [x, high]))}${path(line.band.map(([x, low]) => [x, low]).reverse()).replace("M", "L")}Z` })]
      : [];
    const raw = line.raw.filter((piece) => piece.length).map((piece) => svg("path", { class: `raw ${kind}`, d: path(piece) }));
    const strong = line.strong.filter((piece) => piece.length).map((piece) => svg("path", { class: `line ${kind}`, d: path(piece) }));
    const few = radius > 2 && line.strong.flat().length <= 12 ? line.strong.flat() : line.strong.flat().slice(-1);
    const dots = few.map(([x, y]) => svg("circle", { class: `dot ${kind}`, cx: place.x(x), cy: place.y(y), r: radius }));
    return [...band, ...raw, ...strong, ...dots];
  });
}

/** The value of a line at a place: between points a straight line, beyond them none. */
function valueAt(line, x) {
  for (const piece of line.strong) {
    const after = piece.findIndex(([at]) => at >= x);
    if (after < 0) continue;
    if (after === 0) {
      if (piece[0][0] === x || piece.length === 1) return piece[0][1];
      continue;
    }
    const [[a, low], [b, high]] = [piece[after - 1], piece[after]];
    return low + ((high - low) * (x - a)) / (b - a || 1);
  }
  return NaN;
}

const ends = (line) => line.strong.flat().at(-1);
const here = (line) => (cursor === null ? (ends(line)?.[1] ?? NaN) : valueAt(line, cursor));

function drawLegend() {
  const { legend } = parts;
  const all = shown.large.lines;
  while (legend.childElementCount > all.length) legend.lastChild.remove();
  all.forEach((line, index) => {
    const item = legend.children[index] ?? legend.appendChild(makeItem());
    const [button] = item.children;
    button.dataset.label = line.label;
    button.setAttribute("aria-pressed", !hidden.has(line.label));
    button.children[0].className = `swatch c${colour(line.label)}`;
    say(button.children[1], line.label);
    say(button.children[2], hidden.has(line.label) ? "hidden" : format(here(line), shown.large.unit));
  });
}

function makeItem() {
  const button = el("button", { type: "button", class: "quiet", title: "Show or hide" }, el("span"), el("span"), el("b"));
  button.addEventListener("click", () => {
    const { label } = button.dataset;
    if (!hidden.delete(label)) hidden.add(label);
    showCurves(shown);
  });
  return el("li", {}, button);
}

function drawCursor() {
  const group = parts.drawing.querySelector(".cursor");
  drawLegend();
  if (cursor === null) {
    group.replaceChildren();
    return say(parts.readout, " ");
  }
  const { place } = parts, at = place.x(cursor);
  const dots = lines().filter((line) => Number.isFinite(here(line))).map((line) =>
    svg("circle", { class: `dot c${colour(line.label)}`, cx: at, cy: place.y(here(line)), r: 4 }));
  group.replaceChildren(svg("line", { class: "boundary", x1: at, x2: at, y1: place.top, y2: place.height - place.bottom }), ...dots);
  const told = lines().map((line) => `${line.label} ${format(here(line), shown.large.unit)}`);
  return say(parts.readout, `At ${Math.round(cursor).toLocaleString("en")} ${shown.x.title}: ${told.join(", ")}`);
}

function moveTo(x) {
  cursor = x === null ? null : Math.min(Math.max(x, shown.x.low), shown.x.high);
  drawCursor();
}

function byPointer(event) {
  const at = parts.place.at(event.clientX - parts.drawing.getBoundingClientRect().left);
  moveTo(shown.x.kind === "steps" ? Math.round(at) : at);
}

function byKeyboard(event) {
  const { low, high, kind } = shown.x;
  const hop = kind === "steps" ? Math.max(1, Math.round((high - low) / 60)) : (high - low) / 60;
  const to = { ArrowLeft: (cursor ?? high) - hop, ArrowRight: (cursor ?? high) + hop, Home: low, End: high, Escape: null }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  moveTo(to);
}

function describe() {
  return shown.large.lines.map((line) => {
    const points = line.strong.flat();
    return points.length ? `${line.label}: from ${format(points[0][1], shown.large.unit)} to ${format(ends(line)[1], shown.large.unit)}.` : "";
  }).filter(Boolean).slice(0, 12).join(" ");
}

/** The same curves as a table, at a dozen places, made when it is looked at. */
function drawTable() {
  if (!parts?.table.open) return;
  const { x, large } = shown;
  const places = [...new Set(large.lines.flatMap((line) => line.strong.flat().map(([at]) => at)))].sort((a, b) => a - b);
  const every = Math.ceil(places.length / 12) || 1;
  const some = places.filter((_, index) => index % every === 0 || index === places.length - 1);
  const head = [x.title, ...large.lines.map((line) => line.label)].map((title) => el("th", { scope: "col" }, title));
  const rows = some.map((at) => el("tr", {}, el("th", { scope: "row" }, Math.round(at).toLocaleString("en")),
    ...large.lines.map((line) => el("td", {}, format(valueAt(line, at), large.unit)))));
  const table = el("table", { class: "numbers" }, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
  parts.table.lastChild.replaceChildren(table);
}

// ---- the small charts --------------------------------------------------------------------------------------------------

function drawSmall() {
  const box = byId("small");
  const { small, x, large } = shown;
  while (box.childElementCount > small.length) box.lastChild.remove();
  small.forEach((chart, index) => {
    const button = box.children[index] ?? box.appendChild(makeSmall());
    button.dataset.key = chart.key;
    button.setAttribute("aria-pressed", chart.key === large.key);
    say(button.children[0], chart.title);
    const width = 160, height = 56;
    const place = scales(x, chart, { left: 2, right: 4, top: 4, bottom: 4, width, height });
    button.children[1].replaceChildren(...curves(chart, place, chart.lines.filter((line) => !hidden.has(line.label)), 2));
    const values = chart.lines.map(ends).filter(Boolean).map(([, value]) => value);
    const [least, most] = [Math.min(...values), Math.max(...values)].map((value) => format(value, chart.unit));
    say(button.children[2], values.length ? (least === most ? least : `${least} … ${most}`) : "–");
  });
}

function makeSmall() {
  const drawing = svg("svg", { class: "chart", viewBox: "0 0 160 56", "aria-hidden": true });
  const button = el("button", { type: "button", class: "small-chart" }, el("span"), drawing, el("small"));
  button.addEventListener("click", () => choose(button.dataset.key));
  return button;
}
