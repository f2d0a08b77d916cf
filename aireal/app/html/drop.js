// Takes files and folders that are chosen, dropped or pasted, uploads the pictures to the server's memory and triggers "chosen" with their
// tokens. A list holds {name, file} or, for what cannot be sent, {name, error}.
// Gradio runs this as a function with parameters such as element, trigger, props, watch and upload: their names are taken.
const zone = element.querySelector("[data-drop]");
const maxBytes = Number(zone.dataset.maxBytes), maxFiles = Number(zone.dataset.maxFiles);
const field = element.querySelector("input[type=file]");

const suffixes = field.accept.split(",").filter(part => part.startsWith("."));

const isPicture = file => file.type.startsWith("image/") || suffixes.some(suffix => file.name.toLowerCase().endsWith(suffix));
const isHidden = name => name.startsWith(".") || name === "__MACOSX";  // companions that macOS and Jupyter leave in folders
const fileOf = entry => new Promise((resolve, reject) => entry.file(resolve, reject));
const childrenOf = async folder => {
  const reader = folder.createReader(), children = [];
  const next = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  for (let part = await next(); part.length; part = await next()) children.push(...part);  // a browser gives 100 at a time
  return children.filter(child => !isHidden(child.name)).sort((a, b) => (a.name < b.name ? -1 : 1));
};

// The pictures of a folder and its subfolders by name. It stops after `most`, so that a whole disk does not stall the page.
const picturesIn = async (folder, most) => {
  const found = [];
  for (const child of await childrenOf(folder)) {
    if (found.length >= most) break;
    if (child.isDirectory) {
      found.push(...await picturesIn(child, most - found.length));
    } else {
      const file = await fileOf(child);
      if (isPicture(file)) found.push({ name: child.fullPath.replace(/^\//, ""), file });
    }
  }
  return found;
};

const openFolder = async (folder, room) => {
  try {
    const found = await picturesIn(folder, room + 1);
    if (!found.length) return [{ name: folder.name, error: "folder" }];
    return found.length > room ? [...found.slice(0, room), { name: `${folder.name}/…`, error: "many" }] : found;
  } catch {
    return [{ name: folder.name, error: "unreadable" }];
  }
};

// What a drop or a paste carries. The browser empties it after the event, so it is read before anything is awaited.
const carried = transfer => {
  const items = [...transfer.items].filter(item => item.kind === "file");
  return items.map(item => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
};
const listOf = async items => {
  const list = [];
  for (const { entry, file } of items) {
    if (entry?.isDirectory) list.push(...await openFolder(entry, Math.max(0, maxFiles - list.length)));
    else if (file) list.push({ name: file.name, file });
  }
  return list;
};

const send = async ({ name, file, error }) => {
  const entry = { name };
  if (error) return { ...entry, error };
  if (file.size > maxBytes) return { ...entry, error: "large" };
  let body;
  try {
    body = await file.arrayBuffer();  // before it is sent, so that a failed request is the server's fault alone
  } catch {
    return { ...entry, error: "unreadable" };  // a folder in a browser that does not open it, or a file that has gone
  }
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const reply = await fetch("pictures", { method: "POST", body, headers });
    return { ...entry, ...await reply.json() };  // a token, or an error
  } catch {
    return { ...entry, error: "lost" };
  }
};

let turn = 0;  // of the last choice: an earlier one that is still being sent is dropped
const drop = () => {
  turn += 1;
  zone.removeAttribute("aria-busy");
};
document.addEventListener("click", ({ target }) => { if (target.closest("[data-clear]")) drop(); });
const choose = async items => {
  if (!items.length) return;
  const mine = ++turn;
  zone.setAttribute("aria-busy", "true");
  const chosen = [];
  for (const [number, one] of (await listOf(items)).entries()) {
    if (mine !== turn) return;
    chosen.push(number < maxFiles ? await send(one) : { name: one.name, error: "many" });
  }
  if (mine !== turn) return;
  zone.removeAttribute("aria-busy");
  if (chosen.length) trigger("chosen", { files: chosen });
};

field.addEventListener("change", async () => {
  const items = [...field.files].map(file => ({ file }));
  field.value = "";
  await choose(items);
});
element.addEventListener("click", ({ target }) => {
  const example = target.closest("[data-example]");
  if (!example) return;
  drop();
  trigger("chosen", { example: Number(example.dataset.example) });
});

const carriesFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0;
document.addEventListener("dragenter", event => { if (carriesFiles(event)) { depth += 1; zone.dataset.over = ""; } });
document.addEventListener("dragleave", event => { if (carriesFiles(event) && --depth <= 0) { depth = 0; delete zone.dataset.over; } });
document.addEventListener("dragover", event => { if (carriesFiles(event)) event.preventDefault(); });
document.addEventListener("drop", event => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  depth = 0;
  delete zone.dataset.over;
  choose(carried(event.dataTransfer));
});
document.addEventListener("paste", event => {
  if (event.clipboardData) choose(carried(event.clipboardData));
});
zone.dataset.ready = "";  // whatever is dropped earlier is opened by the browser itself
