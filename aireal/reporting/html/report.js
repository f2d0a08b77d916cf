"use strict";
const pictures = JSON.parse(document.getElementById("data").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const root = document.documentElement;
const list = document.getElementById("pictures");
const form = document.getElementById("filters");
const dialog = document.getElementById("detail");
const cards = [];
let shown = [];
let open = null;

const language = () => root.lang;
const say = (key, values = {}) => words[key][language()].replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Text is set as text, never parsed: a file name or a sentence cannot become an element.
function make(tag, options = {}, ...children) {
  const node = tag === "svg" || tag === "path" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (name === "class") node.setAttribute("class", value);
    else if (name in node && name !== "viewBox" && name !== "d") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// Full, half, empty, a dash: told apart by their shape, drawn and not written, since fonts differ.
const mark = (level) => make("span", { class: `mark ${level}`, "aria-hidden": "true" });

// --- filters -------------------------------------------------------------------------------------------------------

const FILTERS = {
  set: ["demo", "test", "explained"], verdict: ["fake", "real", "uncertain"], correct: ["right", "wrong", "no_truth"],
  generator: null, trust: ["good", "fair", "poor", "unknown"],
};
const UNNAMED = ["photographs", "not_stated"]; // in place of a generator
const ORDERS = ["as_is", "sure", "doubt", "wrong"];
const labelOf = { set: (value) => say("set_" + value) };

function matches(picture, name, value) {
  return !value || (name === "verdict" && value === "uncertain" ? picture.uncertain : picture[name] === value);
}

function optionsOf(name) {
  const values = FILTERS[name] || [...new Set(pictures.map((p) => p.generator))].sort((a, b) => a.localeCompare(b));
  return values.map((value) => [value, pictures.filter((p) => matches(p, name, value)).length]).filter(([, n]) => n);
}

function choice(name, options) {
  const select = make("select", { name });
  for (const [value, text] of options) select.append(make("option", { value, text }));
  return make("label", { text: say(name) }, select);
}

function buildFilters() {
  const kept = Object.fromEntries(new FormData(form));
  form.replaceChildren();
  for (const name of Object.keys(FILTERS)) {
    const options = optionsOf(name);
    if (options.length < 2) continue;
    const text = (value) => (FILTERS[name] || UNNAMED.includes(value) ? say(value) : value);
    form.append(choice(name, [["", say("all")], ...options.map(([value, n]) => [value, `${(labelOf[name] || text)(value)} (${n})`])]));
  }
  form.append(choice("order", ORDERS.map((name) => [name, say("order_" + name)])));
  if (pictures.some((p) => p.overlay)) form.append(choice("view", ["picture", "heatmap"].map((name) => [name, say("view_" + name)])));
  form.append(make("label", { text: say("search") }, make("input", { type: "search", name: "search", autocomplete: "off" })));
  form.append(make("button", { type: "reset", text: say("reset") }));
  for (const [name, value] of Object.entries(kept)) if (form.elements[name]) form.elements[name].value = value;
  form.hidden = pictures.length === 0;
}

const certainty = (p) => Math.max(p.fake, 1 - p.fake);
const SORTS = {
  as_is: () => 0, sure: (a, b) => certainty(b) - certainty(a), doubt: (a, b) => certainty(a) - certainty(b),
  wrong: (a, b) => (b.correct === "wrong") - (a.correct === "wrong") || certainty(b) - certainty(a),
};

function applyFilters() {
  const wanted = Object.fromEntries(new FormData(form));
  const text = (wanted.search || "").toLowerCase();
  const names = Object.keys(FILTERS);
  const found = pictures.map((_, i) => i).filter((i) => names.every((name) => matches(pictures[i], name, wanted[name]))
    && (!text || pictures[i].name.toLowerCase().includes(text)));
  found.sort((a, b) => SORTS[wanted.order || "as_is"](pictures[a], pictures[b]) || a - b);
  const moved = shown.some((value, place) => place && value < shown[place - 1]) || found.some((value, place) => place && value < found[place - 1]);
  shown = found;
  const visible = new Set(found);
  cards.forEach((card, i) => { card.hidden = !visible.has(i); });
  if (moved) list.append(...found.map((i) => cards[i]), ...cards.filter((_, i) => !visible.has(i)));
  const count = (value) => found.filter((i) => pictures[i].correct === value).length;
  document.getElementById("shown").textContent = say("showing", {
    n: found.length.toLocaleString(), total: pictures.length.toLocaleString(), right: count("right"), wrong: count("wrong"), open: count("no_truth"),
  });
  const nothing = document.getElementById("nothing");
  nothing.textContent = say("nothing");
  nothing.hidden = found.length > 0 || pictures.length === 0;
}

// --- cards ---------------------------------------------------------------------------------------------------------

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawThumbnail(entry.target);
}, { rootMargin: "600px" });

function drawThumbnail(card) {
  const picture = pictures[card.dataset.index];
  const view = form.elements.view && form.elements.view.value === "heatmap" ? picture.overlay : picture.picture;
  const frame = card.querySelector(".frame");
  const image = frame.querySelector("img");
  if (image && image.src === view) return;
  frame.replaceChildren(view ? make("img", { src: view, alt: "", decoding: "async" }) : make("span", { class: "absent", text: say("no_picture") }));
}

const symbols = { right: "✓", wrong: "✗", no_truth: "" };

function describe(card) {
  const picture = pictures[card.dataset.index];
  const said = make("span", { class: `said ${picture.verdict}` });
  const doubt = picture.uncertain ? ` · ${say("uncertain")}` : "";
  const correct = picture.correct === "no_truth" ? "" : `${symbols[picture.correct]} ${say(picture.correct)}`;
  said.append(make("b", { text: `${say(picture.verdict)} ${picture.p}%${doubt}` }),
    make("span", { class: "marks" }, make("span", { class: `${picture.correct}-mark`, text: correct }), make("span", {}, mark(picture.trust), say(picture.trust))),
    make("span", { class: "name", text: picture.name, title: picture.name }));
  const button = card.firstElementChild;
  button.replaceChildren(button.firstElementChild, said);
}

function buildCards() {
  pictures.forEach((_, index) => {
    const card = make("li", {}, make("button", { type: "button" }, make("span", { class: "frame" })));
    card.dataset.index = index;
    describe(card);
    cards.push(card);
    near.observe(card);
  });
  list.append(...cards);
}

// --- one picture ---------------------------------------------------------------------------------------------------

const REGIONS = ["top", "middle", "bottom"].flatMap((row) => ["left", "center", "right"].map((column) => `${row}-${column}`));

function marks(picture) {
  const place = REGIONS.indexOf(picture.region);
  const region = make("span", { class: "region" });
  region.style.left = `${(place % 3) * 33.333 + 1}%`;
  region.style.top = `${Math.floor(place / 3) * 33.333 + 1}%`;
  const cross = make("svg", { class: "peak", viewBox: "0 0 22 22", "aria-hidden": "true" }, make("path", { d: "M11 2V20M2 11H20" }), make("path", { d: "M11 3V19M3 11H19" }));
  cross.style.left = `${100 * picture.peak[0]}%`;
  cross.style.top = `${100 * picture.peak[1]}%`;
  return [region, cross];
}

function layers(picture) {
  const frame = make("div", { class: "frame" });
  if (picture.picture) frame.append(make("img", { src: picture.picture, alt: picture.name }));
  if (!picture.overlay) {
    if (!picture.picture) frame.append(make("span", { class: "absent", text: say("no_picture") }));
    return [frame];
  }
  const heat = make("img", { src: picture.overlay, alt: "" });
  const slider = make("input", { type: "range", min: "0", max: "100", value: "100" });
  slider.addEventListener("input", () => { heat.style.opacity = slider.value / 100; });
  frame.append(heat, ...marks(picture));
  return [frame, make("label", { text: say("opacity") }, slider), make("p", { class: "note", text: say("peak") })];
}

function sentenceOf(picture) {
  const text = picture.sentence[language()];
  if (!text) return [];
  const source = picture.source[language()];
  return [make("blockquote", { text }), make("p", { class: "note", text: say(source === "paligemma" ? "written" : "base") })];
}

function bar(index) {
  const place = shown.indexOf(index);
  const turn = (step, key, glyph) => make("button", { type: "button", text: glyph, "aria-label": say(key), disabled: !(place + step in shown), onclick: () => show(shown[place + step], key) });
  return make("div", { class: "bar" }, turn(-1, "previous", "‹"), turn(1, "next", "›"), make("span", { text: say("position", { n: place + 1, total: shown.length }) }),
    make("button", { type: "button", text: say("close"), onclick: () => dialog.close() }));
}

function show(index, key = "close") {
  const picture = pictures[index];
  const facts = [picture.name, picture.truth && `${say("truth")}: ${say(picture.truth)}`, UNNAMED.includes(picture.generator) ? null : picture.generator].filter(Boolean);
  const checks = make("ul", { class: "checks" });
  for (const [level, ko, en] of picture.statements) checks.append(make("li", {}, mark(level), make("span", { text: language() === "ko" ? ko : en })));
  const detail = make("div", { class: "detail" }, make("div", {}, ...layers(picture)),
    make("div", {}, make("h3", { id: "detail-name", text: picture.line[language()] }), make("p", { class: "note", text: facts.join(" · ") }), ...sentenceOf(picture),
      make("h4", { text: say("how_far") }), checks));
  if (picture.panel) {
    const whole = make("details", { class: "whole" }, make("summary", { text: say("panel") }));
    whole.addEventListener("toggle", () => { if (whole.open && !whole.querySelector("img")) whole.append(make("img", { src: picture.panel, alt: picture.line[language()] })); });
    detail.append(whole);
  }
  open = index;
  dialog.replaceChildren(bar(index), detail);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  const wanted = dialog.querySelector(`button[aria-label="${say(key)}"]:not(:disabled)`) || dialog.querySelector(".bar button:last-child");
  wanted.focus();
}

dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const next = step && shown[shown.indexOf(open) + step];
  if (next === undefined || !step || event.target.type === "range") return;
  event.preventDefault();
  show(next);
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  const card = cards[open];
  open = null;
  if (card && !card.hidden) card.firstElementChild.focus();
});
list.addEventListener("click", (event) => {
  const card = event.target.closest("li");
  if (card) show(Number(card.dataset.index));
});

// --- the page ------------------------------------------------------------------------------------------------------

function speak(chosen) {
  root.lang = chosen;
  document.title = chosen === "ko" ? words.title.ko : words.title.en;
  buildFilters();
  cards.forEach(describe);
  applyFilters();
  document.querySelectorAll(".absent").forEach((node) => { node.textContent = say("no_picture"); });
}

document.getElementById("language").addEventListener("click", () => speak(language() === "ko" ? "en" : "ko"));
const refresh = () => {
  applyFilters();
  cards.forEach((card) => { if (card.querySelector(".frame").firstChild) drawThumbnail(card); });
};
form.addEventListener("input", refresh);
form.addEventListener("change", refresh);
form.addEventListener("reset", () => setTimeout(refresh));
form.addEventListener("submit", (event) => event.preventDefault());
buildCards();
speak((navigator.language || "").toLowerCase().startsWith("ko") ? "ko" : "en");
