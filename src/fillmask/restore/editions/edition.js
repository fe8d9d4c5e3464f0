// An edition on a page: the document with its holes, and the ranked readings of one of them.
//
// The report of a restoration and the page of `fillmask serve` both use it. It knows what `Restoration.to_dict()` holds
// and nothing of where that comes from. Text enters the page as text: nothing here parses HTML.

// From this probability up a reading is called so; fillmask.restore.reports.html shades the printed page by the same.
export const LEVELS = [
  ["firm", 0.8],
  ["likely", 0.5],
  ["possible", 0.2],
  ["doubtful", 0],
];

export function level(probability) {
  return LEVELS.find(([, least]) => probability >= least)?.[0] ?? "doubtful";
}

export function percent(share) {
  const points = share * 100;
  if (points > 0 && points < 0.1) return "<0.1%";
  if (points > 99 && points < 100) return points >= 99.95 ? ">99.9%" : `${points.toFixed(1)}%`;
  return `${points >= 10 || points === 0 ? Math.round(points) : points.toFixed(1)}%`;
}

// An element with attributes, listeners (`onclick`) and children, which are elements or text.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

// A hole as readers of editions know it: the elements of TEI as the brackets of Leiden.
export function written(source) {
  return source
    .replace(/<gap\b([^>]*)>/g, (_, attributes) => {
      const letters = /\bquantity="([1-9]|1\d)"/.exec(attributes);
      return letters && !/\bunit="(?!char|letter)/.test(attributes) && !/precision="low"/.test(attributes) ? `[${".".repeat(letters[1])}]` : "[---]";
    })
    .replace(/<(?!mask>)[/!?\w][^>]*>/g, "");
}

// Which characters of a reading survive in the document, as the source writes the hole ("b[..]ery", "b_k_ry").
// The ends that both share; in a source as long as the reading, every place where both agree.
export function surviving(source, reading) {
  const old = [...source];
  const now = [...reading];
  if (old.length === now.length) return now.map((character, i) => character === old[i]);
  const kept = now.map(() => false);
  const shorter = Math.min(old.length, now.length);
  let head = 0;
  while (head < shorter && old[head] === now[head]) kept[head++] = true;
  for (let i = 1; i <= shorter - head && old.at(-i) === now.at(-i); i++) kept[now.length - i] = true;
  return kept;
}

const standing = new WeakMap(); // restoration → the reading in each hole

// What the text as read has in a hole; null where nothing was found.
export function likeliest(restoration, index) {
  if (!standing.has(restoration)) {
    const characters = [...restoration.text];
    standing.set(restoration, restoration.gaps.map(({ start, end, readings }) => (readings.length ? characters.slice(start, end).join("") : null)));
  }
  return standing.get(restoration)[index];
}

const WORDS = 8; // words of evidence that are shown for a hole

function weighty(gap) {
  return gap?.evidence.slice(0, WORDS) ?? [];
}

// The text as it is to be shown, cut at its holes and at the words that any hole gives as evidence: [{text, gap?, word?}].
// The layout differs from the text that was read in its blanks and in hyphens at the ends of lines; words are found in
// it by their letters. Places count characters as Python does, so texts are cut by code points.
function pieces({ text, gaps, layout }) {
  const read = [...text];
  const words = new Map();
  for (const gap of gaps) for (const word of weighty(gap)) words.set(word.start, word);
  const ordered = [...words.values()].sort((a, b) => a.start - b.start);
  const cut = [];
  let at = 0; // in the text that was read
  let next = 0; // of the words
  let number = 0; // of the hole to come
  for (const part of layout) {
    if (typeof part === "number") {
      cut.push({ text: "", gap: gaps[part] });
      at = gaps[part].end;
      number = part + 1;
      continue;
    }
    const shown = [...part];
    const end = gaps[number]?.start ?? read.length;
    let from = 0;
    let i = 0;
    const find = (place) => {
      while (at < place) if (read[at++].trim()) while (i < shown.length && shown[i++] !== read[at - 1]);
      while (i < shown.length && read[place] !== shown[i]) i++;
      return i;
    };
    while (next < ordered.length && ordered[next].start < at) next++; // within a hole
    for (; next < ordered.length && ordered[next].end <= end; next++) {
      const word = ordered[next];
      const start = find(word.start);
      find(word.end - 1);
      if (i >= shown.length) break;
      if (start > from) cut.push({ text: shown.slice(from, start).join("") });
      from = i + 1;
      cut.push({ text: shown.slice(start, from).join(""), word: word.start });
    }
    if (from < shown.length) cut.push({ text: shown.slice(from).join("") });
  }
  return cut;
}

// Paragraphs (parted by blank lines) of lines of nodes, from [text or node].
function paragraphs(parts) {
  const all = [[[]]];
  for (const part of parts) {
    const [first, ...rest] = typeof part === "string" ? part.split(/\r\n|[\n\r]/) : [part];
    const add = (piece) => piece !== "" && all.at(-1).at(-1).push(piece);
    add(first);
    for (const piece of rest) {
      const line = all.at(-1).at(-1);
      const blank = line.every((node) => typeof node === "string" && !node.trim());
      if (blank) {
        all.at(-1).pop();
        if (all.at(-1).length) all.push([]);
      }
      all.at(-1).push([]);
      add(piece);
    }
  }
  return all
    .map((lines) => lines.filter((line) => line.some((node) => typeof node !== "string" || node.trim())))
    .filter((lines) => lines.length);
}

// An edition in `sheet` (the document) and `panel` (the readings of the open hole).
//
// say(text) tells a screen reader. choose(index, text or null) is called when a reading is chosen, or given up with
// null; the caller answers by calling show() or mark(). `own` offers a field for a reading of one's own; `note(gap)`
// may give a sentence below the readings, and `dated(gap)` tells that their percentages are about to be replaced;
// opening(index) is called when the readings of a hole have been opened.
export function edition({ sheet, panel, say, choose, own = false, note = () => null, dated = () => false, opening = () => {} }) {
  let restoration = null;
  let chosen = new Map();
  let opened = null;
  let damaged = false;
  let holes = [];
  // Rankings from before a choice, which the answer after it may no longer hold: index → {readings, none_of_these}.
  let alternatives = new Map();

  // What stands in a hole: what was chosen, or what the text as read has there; null where nothing was found.
  function reading(gap) {
    return chosen.get(gap.index) ?? likeliest(restoration, gap.index);
  }

  function probability(gap) {
    return gap.readings.find(({ text }) => text === likeliest(restoration, gap.index))?.probability ?? 0;
  }

  function ranking(gap) {
    return alternatives.get(gap.index) ?? gap;
  }

  function state(gap) {
    if (chosen.has(gap.index) || gap.locked) return "given";
    return likeliest(restoration, gap.index) === null ? "unread" : level(probability(gap));
  }

  function describe(gap) {
    const now = state(gap);
    const what = { given: "chosen", unread: "no reading found" }[now] ?? `${percent(probability(gap))}, ${now}`;
    return `${damaged ? written(gap.source) : (reading(gap) ?? written(gap.source))}: hole ${gap.index + 1} of ${holes.length}, ${what}`;
  }

  function fill(gap) {
    const hole = holes[gap.index];
    const text = reading(gap);
    hole.className = `hole ${state(gap)}`;
    hole.classList.toggle("open", opened === gap.index);
    hole.setAttribute("aria-expanded", String(opened === gap.index));
    hole.setAttribute("aria-label", describe(gap));
    if (damaged || text === null) {
      hole.replaceChildren(element("span", { class: "restored" }, written(gap.source)));
      return;
    }
    const kept = surviving(written(gap.source), text);
    const runs = [];
    [...text].forEach((character, i) => {
      if (i && kept[i] === kept[i - 1]) runs.at(-1)[1] += character;
      else runs.push([kept[i], character]);
    });
    if (runs.every(([survives]) => survives)) runs.forEach((run) => (run[0] = false));
    hole.replaceChildren(...runs.map(([survives, part]) => element("span", { class: survives ? "kept" : "restored" }, part)));
  }

  function makeHole(gap) {
    const hole = element("span", {
      class: "hole",
      role: "button",
      tabindex: gap.index === (opened ?? 0) ? "0" : "-1",
      "aria-controls": panel.id,
      "data-gap": gap.index,
      onclick: () => open(gap.index, { enter: true }),
      onkeydown: (event) => walk(event, gap.index),
      onfocus: () => rove(gap.index),
    });
    holes[gap.index] = hole;
    return hole;
  }

  function rove(index) {
    holes.forEach((hole, i) => hole.setAttribute("tabindex", i === index ? "0" : "-1"));
  }

  function walk(event, index) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1, ArrowUp: index - 1, Home: 0, End: holes.length - 1 };
    if (event.key === "Enter" || event.key === " ") open(index, { enter: true });
    else if (event.key in to) holes[to[event.key]]?.focus();
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  }

  function show(next, { choices = new Map(), rankings = new Map() } = {}) {
    const focused = holes.findIndex((hole) => hole === document.activeElement);
    restoration = next;
    chosen = new Map(choices);
    alternatives = new Map(rankings);
    holes = [];
    if (opened !== null && opened >= next.gaps.length) opened = next.gaps.length ? next.gaps.length - 1 : null;
    const parts = pieces(next).map(({ text, gap, word }) => {
      if (gap) return makeHole(gap);
      return word ? element("span", { class: "word", "data-word": word }, text) : text;
    });
    next.gaps.forEach(fill);
    const laid = paragraphs(parts);
    const lines = laid.reduce((sum, paragraph) => sum + paragraph.length, 0);
    const numbered = lines >= 5 && laid.some((paragraph) => paragraph.length > 2);
    let number = 0;
    sheet.classList.toggle("lined", numbered);
    sheet.replaceChildren(
      ...laid.map((paragraph) =>
        element("p", {}, ...paragraph.map((line) => {
          number += 1;
          return element("span", { class: "line", "data-number": numbered && number % 5 === 0 ? number : null }, ...line);
        })),
      ),
    );
    if (focused >= 0) holes[Math.min(focused, holes.length - 1)]?.focus({ preventScroll: true });
    draw();
  }

  function mark(choices) {
    chosen = new Map(choices);
    restoration.gaps.forEach(fill);
    draw();
  }

  // The readings of a hole that was chosen before, ranked anew.
  function rank(index, ranking) {
    alternatives.set(index, ranking);
    if (opened === index) draw();
  }

  function open(index, { enter = false, scroll = true } = {}) {
    opened = index;
    restoration.gaps.forEach(fill);
    rove(index);
    draw();
    if (scroll) holes[index].scrollIntoView({ block: "nearest" });
    if (enter) (panel.querySelector(".ranked [aria-pressed=true]") ?? panel.querySelector("button:not(:disabled), input"))?.focus({ preventScroll: true });
    opening(index);
  }

  function close() {
    if (opened === null) return;
    const inside = panel.contains(document.activeElement);
    const index = opened;
    opened = null;
    restoration.gaps.forEach(fill);
    draw();
    if (inside) holes[index]?.focus();
  }

  function strongest(gap) {
    return Math.max(1e-9, ...weighty(gap).map(({ weight }) => Math.abs(weight)));
  }

  function light(gap) {
    sheet.querySelectorAll(".evidence, .against").forEach((lit) => lit.classList.remove("evidence", "against"));
    const most = strongest(gap);
    for (const { start, end, weight } of weighty(gap)) {
      const within = restoration.gaps.find((other) => other !== gap && start >= other.start && end <= other.end);
      const lit = within ? holes[within.index] : sheet.querySelector(`[data-word="${start}"]`);
      lit?.classList.add(weight < 0 ? "against" : "evidence");
      lit?.style.setProperty("--strength", Math.abs(weight) / most);
    }
  }

  function step(label, sign, to) {
    return element(
      "button",
      { type: "button", class: "step", "aria-label": label, title: label, disabled: to < 0 || to >= holes.length, onclick: () => open(to, { enter: true }) },
      sign,
    );
  }

  function bar(share) {
    const made = element("span", { class: "bar", "aria-hidden": "true" });
    made.style.setProperty("--share", share);
    return made;
  }

  function option(gap, text, share, now) {
    const button = element(
      "button",
      {
        type: "button",
        class: "reading",
        "aria-pressed": String(now),
        "aria-label": `${text}, ${share === null ? "your own reading" : percent(share)}`,
        onclick: () => take(gap, text),
      },
      element("span", { class: "mark", "aria-hidden": "true" }, now ? (chosen.has(gap.index) || gap.locked ? "◆" : "◇") : ""),
      element("span", { class: "words" }, text),
      element("span", { class: "share" }, share === null ? "yours" : percent(share)),
      share === null ? null : bar(share),
    );
    return element("li", {}, button);
  }

  function take(gap, text) {
    say(`Hole ${gap.index + 1}: ${text} chosen.`);
    choose(gap.index, text);
  }

  function because(gap) {
    if (!gap.evidence.length) return null;
    const most = strongest(gap);
    const words = weighty(gap).map(({ word, weight }) => {
      const shown = element("span", { class: `word ${weight < 0 ? "against" : "evidence"}` }, word);
      shown.style.setProperty("--strength", Math.abs(weight) / most);
      return element("li", {}, shown, " ", element("span", { class: "share" }, `${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`));
    });
    return element("div", { class: "because" }, element("p", { class: "caption" }, "Words that mattered"), element("ul", {}, ...words));
  }

  function draw() {
    const gap = opened === null ? null : restoration.gaps[opened];
    light(gap);
    panel.hidden = !gap;
    if (!gap) return panel.replaceChildren();
    const at = [...panel.querySelectorAll("button, input")].indexOf(document.activeElement);
    const typed = panel.dataset.gap === String(gap.index) ? panel.querySelector(".own input") : null;
    const typing = typed === document.activeElement;
    panel.dataset.gap = gap.index;
    const { readings, none_of_these: none } = ranking(gap);
    const now = reading(gap);
    const listed = readings.some(({ text }) => text === now);
    const given = chosen.has(gap.index) || gap.locked;
    const remark = note(gap) ?? (readings.length ? null : "No admissible reading was found for this hole.");
    panel.replaceChildren(
      element(
        "header",
        {},
        element(
          "div",
          {},
          element("p", { class: "caption" }, "Readings"),
          element("h2", {}, `Hole ${gap.index + 1} of ${holes.length}`),
          element("p", { class: "place" }, element("code", {}, written(gap.source)), ` · line ${gap.line}, column ${gap.column}`),
        ),
        step("Previous hole", "←", gap.index - 1),
        step("Next hole", "→", gap.index + 1),
        element("button", { type: "button", class: "step close", "aria-label": "Close the readings", onclick: close }, "×"),
      ),
      element(
        "ol",
        { class: dated(gap) ? "ranked dated" : "ranked", role: "list", "aria-label": `Ranked readings of hole ${gap.index + 1}`, "aria-busy": String(dated(gap)) },
        ...(now !== null && !listed ? [option(gap, now, null, true)] : []),
        ...readings.map(({ text, probability }) => option(gap, text, probability, text === now)),
        element(
          "li",
          {},
          element(
            "div",
            { class: "reading none" },
            element("span", { class: "mark" }),
            element("span", { class: "words" }, "none of these"),
            element("span", { class: "share" }, percent(none)),
            bar(none),
          ),
        ),
      ),
      ...[
        because(gap),
        remark && element("p", { class: "note" }, remark),
        own && ownReading(gap, typed),
        given && element(
          "div",
          { class: "actions" },
          element("button", { type: "button", class: "button release", onclick: () => choose(gap.index, null) }, own ? "Unlock this hole" : "Back to the likeliest"),
        ),
      ].filter(Boolean),
    );
    if (typed && typing) typed.focus({ preventScroll: true });
    else if (at >= 0) {
      const controls = [...panel.querySelectorAll("button, input")];
      (panel.querySelector(".ranked [aria-pressed=true]") ?? controls[Math.min(at, controls.length - 1)])?.focus({ preventScroll: true });
    }
  }

  // `typed` is the field that the reader may be writing in: it outlives a new answer.
  function ownReading(gap, typed) {
    const input = typed ?? element("input", { type: "text", "aria-label": "Your own reading", placeholder: "Your own reading", autocomplete: "off", spellcheck: "false" });
    return element(
      "form",
      {
        class: "own",
        onsubmit: (event) => {
          event.preventDefault();
          const text = input.value.trim();
          input.value = "";
          if (text) take(gap, text);
        },
      },
      input,
      element("button", { class: "button" }, "Set"),
    );
  }

  panel.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const options = [...panel.querySelectorAll(".ranked button")];
    const at = options.indexOf(document.activeElement);
    if (at < 0) return;
    event.preventDefault();
    options[at + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  });

  return {
    show,
    mark,
    rank,
    open,
    close,
    clear() {
      opened = null;
      holes = [];
      restoration = { text: "", gaps: [], layout: [] };
      sheet.replaceChildren();
      draw();
    },
    get opened() {
      return opened;
    },
    // Holes as the source writes them, or as they are read.
    damaged(yes) {
      damaged = yes;
      restoration.gaps.forEach(fill);
    },
    // The document with the readings that the page shows.
    text() {
      return pieces(restoration)
        .map(({ text, gap }) => (gap ? (reading(gap) ?? gap.source) : text))
        .join("");
    },
  };
}

// The legend: each level with its line and its share.
export function legend(list) {
  const shares = LEVELS.map(([name, least], i) => {
    const below = i ? LEVELS[i - 1][1] : 1;
    return [name, i === 0 ? `${least * 100}% and more` : least === 0 ? `below ${below * 100}%` : `${least * 100}–${below * 100}%`];
  });
  const rows = [...shares, ["given", "by you"]];
  list.replaceChildren(
    ...rows.map(([name, share]) =>
      element("li", {}, element("span", { class: `restored ${name}` }, name === "given" ? "chosen" : name), share),
    ),
  );
}
