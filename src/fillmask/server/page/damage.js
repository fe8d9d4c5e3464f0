// Holes made by hand, and holes kept in place while the text round them changes.

const LETTER = /[\p{L}\p{M}\p{N}]/u;

// How each notation writes words that are lost, and `n` lost letters of a word.
const WRITES = {
  plain: { words: () => "...", letters: (n) => "_".repeat(n) },
  leiden: { words: () => "[---]", letters: (n) => `[${".".repeat(n)}]` },
  tei: {
    words: () => '<gap reason="lost" extent="unknown" unit="character"/>',
    letters: (n) => `<gap reason="lost" quantity="${n}" unit="character"/>`,
  },
};

// The text with a hole for its characters from start to end, or for the word at start where nothing is selected:
// {text, start, end} with the hole's place, or {problem}. Whole words become a hole of unknown length, a part of a word
// as many lost letters as it has.
export function damage(text, start, end, notation, { ellipses = false } = {}) {
  const letter = (i) => i >= 0 && i < text.length && LETTER.test(String.fromCodePoint(text.codePointAt(i)));
  if (start === end) {
    while (letter(start - 1)) start--;
    while (letter(end)) end++;
  }
  while (start < end && /\s/.test(text[start])) start++;
  while (end > start && /\s/.test(text[end - 1])) end--;
  const selected = text.slice(start, end);
  if (!LETTER.test(selected)) return { problem: "Select some words or letters first." };
  if (notation === "tei" && /[<>]/.test(selected)) return { problem: "Select text between the tags, not the tags themselves." };
  const writes = WRITES[notation] ?? WRITES.plain;
  const parted = (letter(start - 1) && letter(start)) || (letter(end - 1) && letter(end));
  const words = notation === "plain" && ellipses ? "[...]" : writes.words();
  const hole = parted ? selected.replace(/[\p{L}\p{M}\p{N}]+/gu, (run) => writes.letters([...run].length)) : words;
  return { text: text.slice(0, start) + hole + text.slice(end), start, end: start + hole.length };
}

// The characters of `source` where a gap of the restoration of it stands: [start, end].
export function place(source, gap) {
  const lines = source.split("\n");
  const before = lines.slice(0, gap.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const start = before + [...(lines[gap.line - 1] ?? "")].slice(0, gap.column - 1).join("").length;
  return [start, start + gap.source.length];
}

// Which locks outlive a change of the text: those of holes before the change keep their number, those after it keep
// their number from the end, of `count` holes. Each lock is {text, ranking}; `gaps` are of the old text.
export function carry(locks, gaps, before, after) {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  const ahead = new Map();
  const behind = new Map(); // by number from the end
  for (const [index, lock] of locks) {
    if (!gaps[index]) continue;
    const [start, end] = place(before, gaps[index]);
    if (end < head || (end === head && !LETTER.test(after[head] ?? " "))) ahead.set(index, lock);
    else if (start >= before.length - tail) behind.set(gaps.length - index, lock);
  }
  return { ahead, behind };
}
