"use strict";
// Follows picture.js in the page's script, which answers the slider and the language switch (`airealSpeak`, event `aireal-language`).
const pictures = JSON.parse(document.getElementById("data").textContent);
const words = JSON.parse(document.getElementById("words").textContent);
const list = document.getElementById("pictures");
const form = document.getElementById("filters");
const dialog = document.getElementById("detail");
const template = document.getElementById("picture").content;
const cards = [];
let shown = [];
let open = null;

const language = () => document.documentElement.lang;
const say = (key, values = {}) => words[key][language()].replace(/\{(\w+)\}/g, (_, name) => values[name]);

// Text is set as text, never parsed: a file name or a sentence cannot become an element.
function make(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// A text in both languages, of which the style sheet shows one.
const both = (texts) => ["ko", "en"].filter((lang) => texts[lang]).map((lang) => make("span", { lang, text: texts[lang] }));
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
  const chosen = Object.fromEntries(new FormData(form));
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
  for (const [name, value] of Object.entries(chosen)) if (form.elements[name]) form.elements[name].value = value;
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
  const matching = pictures.map((_, i) => i).filter((i) => names.every((name) => matches(pictures[i], name, wanted[name]))
    && (!text || pictures[i].name.toLowerCase().includes(text)));
  matching.sort((a, b) => SORTS[wanted.order || "as_is"](pictures[a], pictures[b]) || a - b);
  const moved = shown.some((value, place) => place && value < shown[place - 1]) || matching.some((value, place) => place && value < matching[place - 1]);
  shown = matching;
  const visible = new Set(matching);
  cards.forEach((card, i) => { card.hidden = !visible.has(i); });
  if (moved) list.append(...matching.map((i) => cards[i]), ...cards.filter((_, i) => !visible.has(i)));
  const count = (value) => matching.filter((i) => pictures[i].correct === value).length;
  document.getElementById("shown").textContent = say("showing", {
    n: matching.length.toLocaleString(), total: pictures.length.toLocaleString(), right: count("right"), wrong: count("wrong"), open: count("no_truth"),
  });
  const nothing = document.getElementById("nothing");
  nothing.textContent = say("nothing");
  nothing.hidden = matching.length > 0 || pictures.length === 0;
}

// --- cards ---------------------------------------------------------------------------------------------------------

const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawThumbnail(entry.target);
}, { rootMargin: "600px" });

const absent = () => make("span", { class: "absent" }, ...both(words.no_picture));

function drawThumbnail(card) {
  const picture = pictures[card.dataset.index];
  const view = form.elements.view && form.elements.view.value === "heatmap" ? picture.overlay : picture.picture;
  const frame = card.querySelector(".frame");
  const image = frame.querySelector("img");
  if (image && image.src === view) return;
  frame.replaceChildren(view ? make("img", { src: view, alt: "", decoding: "async" }) : absent());
}

const SYMBOLS = { right: ["✓ "], wrong: ["✗ "], no_truth: [] };

function describe(picture) {
  const doubt = picture.uncertain ? [" · ", ...both(words.uncertain)] : [];
  const correct = picture.correct === "no_truth" ? [] : both(words[picture.correct]);
  return make("span", { class: `said ${picture.verdict}` },
    make("b", {}, ...both(words[picture.verdict]), ` ${picture.p}%`, ...doubt),
    make("span", { class: "facts" }, make("span", { class: `${picture.correct}-mark` }, ...SYMBOLS[picture.correct], ...correct),
      make("span", {}, mark(picture.trust), ...both(words[picture.trust]))),
    make("span", { class: "name", text: picture.name, title: picture.name }));
}

function buildCards() {
  pictures.forEach((picture, index) => {
    const card = make("li", {}, make("button", { type: "button" }, make("span", { class: "frame" }), describe(picture)));
    card.dataset.index = index;
    cards.push(card);
    near.observe(card);
  });
  list.append(...cards);
}

// --- one picture ---------------------------------------------------------------------------------------------------

function pager(index) {
  const place = shown.indexOf(index);
  const turn = (step, key, glyph) => make("button", { type: "button", text: glyph, "aria-label": say(key), disabled: !(place + step in shown), onclick: () => show(shown[place + step], key) });
  return make("div", { class: "pager" }, turn(-1, "previous", "‹"), turn(1, "next", "›"), make("span", { text: say("position", { n: place + 1, total: shown.length }) }),
    make("button", { type: "button", text: say("close"), onclick: () => dialog.close() }));
}

// The page's view of a picture (figures/html), filled with one picture's data.
function fill(picture) {
  const view = template.cloneNode(true);
  const at = (selector) => view.querySelector(selector);
  const layers = [[".stage img", picture.picture], [".stage .heat", picture.overlay]];
  for (const [selector, uri] of layers) uri ? at(selector).src = uri : at(selector).remove();
  if (!picture.overlay) view.querySelectorAll(".marks, .controls, .key").forEach((node) => node.remove());
  if (!picture.picture && !picture.overlay) at(".stage").append(absent());
  view.querySelectorAll(".marks path").forEach((path) => path.setAttribute("d", picture.marks));
  at(".view .unseen").append(...both(picture.peak));
  at(".name").textContent = picture.name;
  if (picture.truth) at(".facts").append(...both(words.truth), ": ", ...both(words[picture.truth]), UNNAMED.includes(picture.generator) ? "" : ` · ${picture.generator}`);
  at(".verdict").append(...both(picture.line));
  at(".sentence").append(...both(picture.sentence));
  for (const lang of Object.keys(picture.sentence)) at(".source").append(make("span", { lang, text: words[(picture.source[lang] ?? "").startsWith("paligemma") ? "written" : "base"][lang] }));
  picture.file ? at(".says").append(...both(picture.file)) : at(".from-file").remove();
  const [summary, ...checks] = picture.statements.map(([level, ko, en]) => [mark(level), make("span", {}, ...both({ ko, en }))]);
  at(".overall").append(...summary);
  at(".trust ul").append(...checks.map((check) => make("li", {}, ...check)));
  const details = at("details");
  if (!picture.panel) details.remove();
  details.addEventListener("toggle", () => { if (details.open && !details.querySelector("img")) details.append(make("img", { src: picture.panel, alt: "" })); });
  return view;
}

function show(index, key = "close") {
  open = index;
  dialog.replaceChildren(pager(index), fill(pictures[index]));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  const wanted = dialog.querySelector(`button[aria-label="${say(key)}"]:not(:disabled)`) || dialog.querySelector(".pager button:last-child");
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

document.addEventListener("aireal-language", () => {
  document.title = say("title");
  buildFilters();
  applyFilters();
});
const refresh = () => {
  applyFilters();
  cards.forEach((card) => { if (card.querySelector(".frame").firstChild) drawThumbnail(card); });
};
form.addEventListener("input", refresh);
form.addEventListener("change", refresh);
form.addEventListener("reset", () => setTimeout(refresh));
form.addEventListener("submit", (event) => event.preventDefault());
buildCards();
airealSpeak((navigator.language || "").toLowerCase().startsWith("ko") ? "ko" : "en");
