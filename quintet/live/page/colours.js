// Every label keeps its colour, in every chart and table, for as long as the page is open.

const places = new Map();

export function colour(label) {
  if (!places.has(label)) places.set(label, places.size % 8);
  return places.get(label);
}
