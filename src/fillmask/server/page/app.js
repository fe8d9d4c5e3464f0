// The page: a text as found, read as it is written, and what the reader makes of the readings.
//
// The state is one snapshot {source, notation, ellipses, locks}; every change is a new one, which can be undone, and is
// read by the server. Nothing is read that a later change has overtaken.
import { Refused, edition as exported, info, keep, restore } from "./api.js";
import { carry, damage } from "./damage.js";
import { edition, element, legend, percent } from "./edition.js";
import { EXAMPLES } from "./examples.js";
import { history } from "./history.js";

const WAIT = 250; // milliseconds without a key before the text is read
const SLOW = 400; // milliseconds before progress is shown
const READINGS = 10;
const LARGEST = 4_000_000; // bytes of a file
const TEXTS = /\.(txt|md|xml|tei)$/i;
const ENDINGS = { text: ["txt", "text/plain"], markdown: ["md", "text/markdown"], tei: ["xml", "application/xml"], json: ["json", "application/json"], html: ["html", "text/html"] };

const get = (id) => document.getElementById(id);
const source = get("source");
const wide = matchMedia("(min-width: 60rem)");
const past = history({ source: "", notation: "auto", ellipses: false, locks: new Map(), behind: new Map(), selection: [0, 0] });

let restoration = null; // the last answer,
let answered = null; // and the snapshot that it answers
let anchor = null; // {source, gaps, locks}: which locks belong to which holes of the last answer; null after an undo
let asking = null; // the request on its way
let weighing = null; // the one for the readings of a locked hole
let timer = 0;
let name = "restoration"; // of the file that was opened, without its ending

const shown = edition({
  sheet: get("document"),
  panel: get("readings"),
  say,
  own: true,
  choose,
  note: (gap) => {
    if (!now().locks.has(gap.index)) return null;
    const rest = "Locked: the rest is read in its light.";
    if (!isDated(gap.index)) return `${rest} The percentages are what they would be without this lock.`;
    const reading = weighing || get("restored").getAttribute("aria-busy") === "true";
    return `${rest} The percentages are ${reading ? "being read again" : "from before the last change"}.`;
  },
  dated: (gap) => isDated(gap.index),
  opening: () => weigh(),
});

function now() {
  return past.now;
}

function say(text) {
  get("said").textContent = text;
}

// A change: a new snapshot, and its reading.
function change(next, { typing = false, wait = 0 } = {}) {
  past.push({ ...now(), behind: new Map(), ...next, selection: next.selection ?? [source.selectionStart, source.selectionEnd] }, { typing });
  settle(wait);
}

function settle(wait = 0) {
  if (get("alert").dataset.of !== "reading") get("alert").hidden = true;
  const { notation, ellipses } = now();
  if (source.value !== now().source) source.value = now().source;
  get("notation").value = notation;
  get("ellipses").checked = ellipses;
  get("undo").disabled = !past.undoable;
  get("redo").disabled = !past.redoable;
  get("release").hidden = !now().locks.size;
  read(wait);
}

// What a changed text keeps of the locks. Locks behind the change wait for the new number of holes.
function edited(text) {
  if (!anchor) return { source: text, locks: new Map() };
  const { ahead, behind } = carry(anchor.locks, anchor.gaps, anchor.source, text);
  return { source: text, locks: ahead, behind };
}

function type() {
  get("example").value = "";
  change(edited(source.value), { typing: true, wait: WAIT });
}

function choose(index, text) {
  const locks = new Map(now().locks);
  const gap = restoration.gaps[index];
  const before = locks.get(index) ?? { ranking: rankingOf(gap), question: question(answered, index) };
  if (text === null) {
    locks.delete(index);
    say(`Hole ${index + 1} unlocked.`);
  } else {
    locks.set(index, { ...before, text });
  }
  anchor = { source: answered.source, gaps: restoration.gaps, locks };
  shown.mark(new Map([...locks].map(([i, lock]) => [i, lock.text])));
  change({ locks });
}

function rankingOf({ readings, none_of_these }) {
  return { readings, none_of_these };
}

// What the ranking of a locked hole depends on: everything but its own lock.
function question({ source, notation, ellipses, locks }, index) {
  const others = [...locks].filter(([other]) => other !== index).map(([other, { text }]) => [other, text]);
  return JSON.stringify([source, notation, ellipses, others.sort(([a], [b]) => a - b)]);
}

// Whether the readings of a locked hole were ranked in the light of something else than stands there now.
function isDated(index) {
  const lock = now().locks.get(index);
  return lock !== undefined && lock.question !== question(now(), index);
}

// Ranks the readings of the open hole again, if it is locked and another lock or the text has changed since. An answer
// has nothing to say on a hole that was locked when it was asked for, so this asks without that lock; and only for a hole
// that is looked at, since each costs as much as reading the text does.
async function weigh() {
  weighing?.abort();
  weighing = null;
  const index = shown.opened;
  const snapshot = answered;
  if (index === null || snapshot !== now() || !isDated(index)) return;
  const lock = snapshot.locks.get(index);
  const wanted = question(snapshot, index);
  const mine = (weighing = new AbortController());
  shown.rank(index, lock.ranking); // says that they are being read
  try {
    const others = new Map([...snapshot.locks].filter(([other]) => other !== index));
    const asked = { ...parameters({ ...snapshot, locks: others }), evidence: false };
    const { restoration: answer } = await restore(snapshot.source, asked, { signal: mine.signal, progress: () => {} });
    [lock.ranking, lock.question] = [rankingOf(answer.gaps[index]), wanted];
  } catch (problem) {
    if (problem.name !== "AbortError") console.info(problem.message); // the note below the readings says that they are old
  }
  if (mine !== weighing) return;
  weighing = null;
  shown.rank(index, lock.ranking);
}

function parameters({ notation, ellipses, locks }) {
  return {
    notation,
    keep_ellipses: ellipses,
    readings: READINGS,
    evidence: get("evidence").checked,
    locked: Object.fromEntries([...locks].map(([index, { text }]) => [index, text])),
  };
}

function read(wait) {
  clearTimeout(timer);
  asking?.abort();
  weighing?.abort();
  weighing = null;
  if (!now().source.trim()) return empty();
  get("restored").setAttribute("aria-busy", "true");
  const mine = (asking = new AbortController());
  timer = setTimeout(() => follow(now(), mine), wait);
}

async function follow(snapshot, mine) {
  const slow = setTimeout(() => (get("progress").hidden = false), SLOW);
  get("bar").removeAttribute("value");
  get("bar-text").textContent = "reading";
  const progress = ({ done, holes, forward_passes: passes }) => {
    if (mine !== asking) return;
    get("bar").value = holes ? done / holes : 1;
    get("bar-text").textContent = `${done} of ${holes} holes, ${passes.toLocaleString("en")} passes`;
  };
  try {
    let { restoration: answer } = await restore(snapshot.source, parameters(snapshot), { signal: mine.signal, progress });
    if (snapshot.behind.size) {
      for (const [fromEnd, lock] of snapshot.behind) {
        const index = answer.gaps.length - fromEnd;
        if (index >= 0 && !snapshot.locks.has(index)) snapshot.locks.set(index, lock);
      }
      snapshot.behind.clear();
      ({ restoration: answer } = await restore(snapshot.source, parameters(snapshot), { signal: mine.signal, progress }));
    }
    if (mine === asking) draw(answer, snapshot);
  } catch (problem) {
    if (problem.name !== "AbortError" && mine === asking) fail(problem);
  } finally {
    clearTimeout(slow);
    if (mine === asking) {
      get("progress").hidden = true;
      get("restored").setAttribute("aria-busy", "false");
    }
  }
}

function draw(answer, snapshot) {
  [restoration, answered] = [answer, snapshot];
  anchor = { source: snapshot.source, gaps: answer.gaps, locks: snapshot.locks };
  if (get("alert").dataset.of === "reading") get("alert").hidden = true;
  source.classList.toggle("marked-up", answer.notation === "tei");
  get("results").hidden = !answer.gaps.length;
  get("primer").hidden = answer.gaps.length > 0;
  get("release").hidden = !snapshot.locks.size;
  shown.show(answer, {
    choices: new Map([...snapshot.locks].map(([index, { text }]) => [index, text])),
    rankings: new Map([...snapshot.locks].map(([index, { ranking }]) => [index, ranking])),
  });
  get("kind").textContent = answer.calibrated ? "the calibrated" : "a rough";
  get("rough").hidden = answer.calibrated;
  const holes = answer.gaps.length;
  // The readings stand beside the text where there is room; on a phone they come when asked for.
  if (holes && shown.opened === null && wide.matches) shown.open(0, { scroll: false });
  else weigh();
  const told = { plain: "plain text", leiden: "Leiden", tei: "TEI" }[answer.notation] ?? answer.notation;
  const { forward_passes: passes, seconds } = answer.cost;
  if (!holes) {
    get("state").textContent = `no holes · read as ${told}`;
    say("There are no holes in this text.");
    return;
  }
  const counted = `${holes} ${holes === 1 ? "hole" : "holes"}`;
  get("state").textContent = `${counted} · ${percent(answer.confidence)} expected right${answer.calibrated ? "" : ", not calibrated"} · ${told} · ${passes.toLocaleString("en")} passes, ${seconds.toFixed(2)} s`;
  say(`${counted} read. ${answer.gaps.slice(0, 3).map((gap) => `Hole ${gap.index + 1}: ${snapshot.locks.get(gap.index)?.text ?? gap.readings[0]?.text ?? "nothing found"}`).join(". ")}.`);
}

function empty() {
  asking = restoration = answered = anchor = null;
  shown.clear();
  get("document").append(element("p", { class: "invitation" }, "The restored text will stand here. Begin to type, choose an example, or drop a file."));
  get("results").hidden = true;
  get("primer").hidden = false;
  get("alert").hidden = true;
  get("progress").hidden = true;
  get("state").textContent = "";
  get("restored").setAttribute("aria-busy", "false");
}

function fail(problem) {
  if (problem.status === 401) return askForKey();
  if (answered && answered !== now()) get("state").textContent = "as it was before the last change";
  const parts = [element("p", {}, problem.message)];
  if (problem.request) parts.push(element("p", { class: "request" }, `Request ${problem.request}`));
  if (problem.status === 429 || problem.status === 503) {
    const after = Math.min(problem.after ?? 2, 30);
    parts.push(element("p", { class: "request" }, `Asking again in ${after} ${after === 1 ? "second" : "seconds"}.`));
    timer = setTimeout(() => read(0), after * 1000);
  } else if (!(problem instanceof Refused)) {
    console.error(problem);
  }
  if (problem.status === 0 || problem.status >= 500) parts.push(element("button", { type: "button", class: "button", onclick: () => read(0) }, "Try again"));
  warn(...parts);
  get("alert").dataset.of = "reading";
}

// Says something that went wrong. It goes with the next change; what went wrong in reading, with the next answer.
function warn(...parts) {
  get("alert").dataset.of = "";
  get("alert").replaceChildren(...parts.map((part) => (typeof part === "string" ? element("p", {}, part) : part)));
  get("alert").hidden = false;
}

function askForKey() {
  if (!get("key").hidden) warn("The server does not accept this key.");
  get("key").hidden = false;
  get("key-field").value = "";
  get("key-field").focus();
}

get("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(get("key-field").value);
  tellAbout().then((known) => {
    if (!known) return;
    get("key").hidden = true;
    get("alert").hidden = true;
    source.focus();
    read(0);
  });
});

// What is at the other end; whether it could be asked.
async function tellAbout() {
  try {
    const about = await info();
    const model = typeof about.model === "string" ? about.model : about.model?.name;
    const words = [model && `Model: ${model}`, about.engine && `engine: ${about.engine}`, about.version && `fillmask ${about.version}`];
    get("about").textContent = words.filter((word) => typeof word === "string").join(" · ");
    return true;
  } catch (problem) {
    if (problem.status === 401) askForKey();
    return problem.status !== 401;
  }
}

// Holes by hand.

function damageSelection() {
  const notation = now().notation !== "auto" ? now().notation : answered && answered.source === source.value ? restoration.notation : /^\s*<[\w?!]/.test(source.value) ? "tei" : "plain";
  const made = damage(source.value, source.selectionStart, source.selectionEnd, notation, { ellipses: now().ellipses });
  if (made.problem) {
    say(made.problem);
    warn(made.problem);
    source.focus();
    return;
  }
  change({ ...edited(made.text), selection: [made.start, made.end] });
  source.focus();
  source.setSelectionRange(made.end, made.end);
  say("Damaged.");
}

function step(direction) {
  if (!(direction === "undo" ? past.undoable : past.redoable)) return;
  const { selection } = past[direction]();
  anchor = null;
  settle();
  source.setSelectionRange(...selection);
  say(direction === "undo" ? "Undone." : "Done again.");
}

// Files.

async function take(file) {
  if (!file) return;
  if (!TEXTS.test(file.name) && !file.type.startsWith("text/")) return warn(`“${file.name}” is not a text: expected a .txt or .xml file.`);
  if (file.size > LARGEST) return warn(`“${file.name}” is larger than ${LARGEST / 1e6} MB. The command fillmask restore reads files of any size.`);
  const bytes = await file.arrayBuffer();
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = new TextDecoder(new Uint8Array(bytes.slice(0, 2)).join() === "255,254" ? "utf-16le" : "windows-1252").decode(bytes);
  }
  name = file.name.replace(/\.\w+$/, "") || "restoration";
  get("name").textContent = file.name;
  get("example").value = "";
  change({ source: text.replace(/\r\n?/g, "\n"), notation: "auto", locks: new Map(), selection: [0, 0] });
  say(`${file.name} opened.`);
}

function save(content, format) {
  const [ending, kind] = ENDINGS[format];
  const stem = name.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "") || "restoration";
  const address = URL.createObjectURL(new Blob([content], { type: `${kind};charset=utf-8` }));
  element("a", { href: address, download: `${stem}${stem === "restoration" ? "" : ".restored"}.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function exportAs(button) {
  button.disabled = true;
  try {
    save(await exported(now().source, parameters(now()), button.dataset.format), button.dataset.format);
    say(`${button.textContent} saved.`);
  } catch (problem) {
    fail(problem);
  } finally {
    button.disabled = false;
    button.focus();
  }
}

async function copy() {
  try {
    await navigator.clipboard.writeText(shown.text());
    say("Copied.");
    get("copy").textContent = "Copied";
    setTimeout(() => (get("copy").textContent = "Copy"), 1500);
  } catch {
    getSelection().selectAllChildren(get("document"));
    say("The text is selected; copy it with the keyboard.");
  }
}

// Who listens to what.

source.addEventListener("input", type);
source.addEventListener("beforeinput", (event) => {
  if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return;
  event.preventDefault();
  step(event.inputType === "historyUndo" ? "undo" : "redo");
});
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (event.target instanceof HTMLInputElement && event.target.type !== "checkbox") return;
  const key = event.key.toLowerCase();
  if (key === "/") damageSelection();
  else if (key === "z") step(event.shiftKey ? "redo" : "undo");
  else if (key === "y" && !event.metaKey) step("redo");
  else return;
  event.preventDefault();
});
// A button takes the focus from the text, but not the selection that it works on.
get("damage").addEventListener("mousedown", (event) => event.preventDefault());
get("damage").addEventListener("click", damageSelection);
get("undo").addEventListener("click", () => step("undo"));
get("redo").addEventListener("click", () => step("redo"));
get("open").addEventListener("click", () => get("file").click());
get("file").addEventListener("change", () => {
  take(get("file").files[0]);
  get("file").value = "";
});
get("notation").addEventListener("change", () => change({ notation: get("notation").value, locks: new Map() }));
get("ellipses").addEventListener("change", () => change({ ellipses: get("ellipses").checked, locks: new Map() }));
get("evidence").addEventListener("change", () => read(0));
get("example").addEventListener("change", () => {
  const [, text] = EXAMPLES[get("example").value] ?? [];
  if (!text) return;
  name = "restoration";
  get("name").textContent = "";
  change({ source: text, notation: "auto", locks: new Map(), selection: [0, 0] });
});
get("stop").addEventListener("click", () => {
  asking?.abort();
  get("progress").hidden = true;
  get("restored").setAttribute("aria-busy", "false");
  warn(element("p", {}, "Stopped."), element("button", { type: "button", class: "button", onclick: () => read(0) }, "Read it again"));
});
get("shade").addEventListener("click", () => {
  const plain = get("document").classList.toggle("plain");
  get("shade").setAttribute("aria-pressed", String(!plain));
});
get("copy").addEventListener("click", copy);
get("release").addEventListener("click", () => {
  anchor = null;
  change({ locks: new Map() });
  say("Every hole is unlocked.");
  get("copy").focus();
});
document.querySelectorAll("[data-format]").forEach((button) => button.addEventListener("click", () => exportAs(button)));

const files = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!files(event)) return;
  event.preventDefault();
  get("dropping").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) get("dropping").hidden = true;
});
document.addEventListener("drop", (event) => {
  if (!files(event)) return;
  event.preventDefault();
  get("dropping").hidden = true;
  take(event.dataTransfer.files[0]);
});

get("example").append(...EXAMPLES.map(([title], i) => element("option", { value: i }, title)));
legend(get("legend"));
empty();
tellAbout();
if (source.value) type(); // what the browser kept over a reload
else if (wide.matches) source.focus({ preventScroll: true });
