// What the browser does of an upload: read the chosen files, send them in pieces, show what is said.
// A piece is smaller than any message that a server of Jupyter refuses (10 MB, if nobody changed
// it), and the next one is sent when the one before was taken. So a file can have any size.

const PIECE = 1 << 20; // bytes
const PATIENCE = 15_000; // milliseconds
const NO_ANSWER = "No answer yet. While a cell runs, the upload waits for it. If no cell runs, the " +
  "connection is lost: run this cell again and choose the files that are not in the list.";
const UNPACKING = "The photos in the .zip are looked at, one after the other. With hundreds of them " +
  "that takes minutes.";

function element(tag, settings, ...children) {
  const made = Object.assign(document.createElement(tag), settings);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  const name = element("input", { type: "text", className: "upload-class" });
  const files = element("input", { type: "file", multiple: true, accept: "image/*,.zip" });
  const status = element("p", { className: "upload-said" });
  status.setAttribute("role", "status"); // a screen reader reads it whenever it changes
  const bar = element("progress", { value: 0, hidden: true });
  bar.setAttribute("aria-label", "files that were sent");
  const rows = element("ul");
  rows.setAttribute("aria-label", "What happened to each file, the latest first");
  const box = element("div", { className: "upload-box" },
    element("p", {}, element("label", {}, "Class of the photos ", name)),
    element("p", {}, element("label", {}, "Photos, or a .zip ", files), " or drag them here"),
    bar, status, rows);
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Upload of photos");
  files.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes keys for its own, such as b
  el.append(box);

  function say(text) {
    if (status.textContent !== text) status.textContent = text;
  }
  function show() {
    rows.replaceChildren(...model.get("rows").map((row) => element("li", {}, row)));
  }

  // One question to the kernel, and its answer.
  function ask(question, piece, words = NO_ANSWER) {
    return new Promise((resolve) => {
      const number = Math.random();
      const late = setTimeout(() => say(words), PATIENCE);
      const hear = (answer) => {
        if (answer.number !== number) return;
        clearTimeout(late);
        model.off("msg:custom", hear);
        resolve(answer);
      };
      model.on("msg:custom", hear);
      model.send({ number, ...question }, undefined, [piece]);
    });
  }

  function isZip(file) {
    return /\.zip$/i.test(file.name);
  }

  async function send({ file, of }, tell) {
    const keepsItsName = of || (of === "" && isZip(file)); // without one, folders are the classes
    const question = { name: file.name, size: file.size, class: keepsItsName ? of : name.value };
    let answer;
    let at = 0;
    do {
      let piece;
      try {
        piece = await file.slice(at, at + PIECE).arrayBuffer();
      } catch { // a folder, or a file that is gone
        return ask({ ...question, at: -1 }, new ArrayBuffer(0));
      }
      const isLast = at + piece.byteLength >= file.size;
      answer = await ask({ ...question, at }, piece, isLast && isZip(file) ? UNPACKING : NO_ANSWER);
      at += piece.byteLength;
      tell(at / Math.max(file.size, 1));
    } while (answer.more);
    return answer;
  }

  const waiting = [];
  let sends = false;
  async function work() {
    if (sends) return;
    sends = true;
    let done = 0;
    let words = "";
    while (waiting.length && !words) {
      say("The files are sent. The list says what becomes of each.");
      bar.hidden = false;
      bar.max = done + waiting.length;
      words = (await send(waiting[0], (share) => { bar.value = done + share; })).ask;
      // Those that were chosen with the same name get the one that is written next.
      const refused = waiting[0].of;
      if (!words) waiting.shift();
      else for (const one of waiting) if (one.of === refused && !isZip(one.file)) one.of = null;
      if (words) waiting[0].of = null;
      done += 1;
    }
    bar.hidden = true;
    sends = false;
    say(words || model.get("said"));
    if (words) name.focus();
  }

  function take(chosen) {
    for (const file of chosen) waiting.push({ file, of: name.value });
    work();
  }
  files.addEventListener("change", () => {
    take([...files.files]);
    files.value = ""; // so that the same one can be chosen again
  });
  name.addEventListener("change", work); // when the field is left
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) work(); // not the Enter that ends a syllable
  });
  for (const kind of ["dragover", "drop"])
    box.addEventListener(kind, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return;
      event.preventDefault(); // else the browser opens the file
      event.stopPropagation();
      box.classList.toggle("upload-over", kind === "dragover");
      if (kind === "drop") take([...event.dataTransfer.files]);
    });
  box.addEventListener("dragleave", () => box.classList.remove("upload-over"));
  model.on("change:rows", show);
  show();
  say(model.get("said"));
  return () => model.off("change:rows", show);
}

export default { render };
