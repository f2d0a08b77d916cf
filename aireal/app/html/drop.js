// Takes files that are chosen, dropped or pasted, uploads them to the server's memory and triggers "chosen" with their tokens.
// Gradio runs this as a function with parameters such as element, trigger, props, watch and upload: their names are taken.
const zone = element.querySelector("[data-drop]");
const maxBytes = Number(zone.dataset.maxBytes), maxFiles = Number(zone.dataset.maxFiles);
const field = element.querySelector("input[type=file]");

const send = async file => {
  const entry = { name: file.name };
  if (file.size > maxBytes) return { ...entry, error: "large" };
  try {
    const headers = { "Content-Type": "application/octet-stream" };
    const reply = await fetch("pictures", { method: "POST", body: file, headers });
    return { ...entry, ...await reply.json() };  // a token, or an error
  } catch {
    return { ...entry, error: "lost" };
  }
};

const choose = async list => {
  const files = [...list];
  if (!files.length) return;
  zone.setAttribute("aria-busy", "true");
  const chosen = [];
  for (const [number, file] of files.entries()) {
    chosen.push(number < maxFiles ? await send(file) : { name: file.name, error: "many" });
  }
  zone.removeAttribute("aria-busy");
  trigger("chosen", { files: chosen });
};

field.addEventListener("change", async () => {
  const files = [...field.files];
  field.value = "";
  await choose(files);
});
element.addEventListener("click", ({ target }) => {
  const example = target.closest("[data-example]");
  if (example) trigger("chosen", { example: Number(example.dataset.example) });
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
  choose(event.dataTransfer.files);
});
document.addEventListener("paste", event => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) choose(files);
});
