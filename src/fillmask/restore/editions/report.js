// The report: an edition that stands by itself. A choice changes the text on this page and nothing else.
import { edition, element, legend, likeliest, percent } from "./edition.js";

const get = (id) => document.getElementById(id);
const restoration = JSON.parse(get("restoration").textContent);
const choices = new Map();

function say(text) {
  get("said").textContent = text;
}

const shown = edition({
  sheet: get("document"),
  panel: get("readings"),
  say,
  choose(index, text) {
    const first = likeliest(restoration, index);
    if (text === null || text === first) choices.delete(index);
    else choices.set(index, text);
    if (text === null) say(`Hole ${index + 1}: back to ${first ?? "no reading"}.`);
    changed();
  },
  note: () => (choices.size && restoration.gaps.length > 1 ? "The percentages do not follow your choices: the other holes were read with the likeliest text." : null),
});

function changed() {
  shown.mark(choices);
  get("reset").hidden = !choices.size;
  drawHypotheses();
}

const LISTED = 5; // joint readings
const TOLD = 6; // differences of one

function drawHypotheses() {
  const [first, ...others] = restoration.hypotheses;
  if (!others.length || restoration.gaps.length < 2) return;
  get("whole").hidden = false;
  const now = restoration.gaps.map((gap) => choices.get(gap.index) ?? likeliest(restoration, gap.index) ?? "");
  get("hypotheses").replaceChildren(
    ...restoration.hypotheses.slice(0, LISTED).map(({ readings, probability }) => {
      const differing = readings.map((text, i) => [i, text]).filter(([i, text]) => text !== first.readings[i]);
      const told = differing.slice(0, TOLD).map(([i, text]) => `${i + 1}: ${text}`).join(" · ");
      const more = differing.length > TOLD ? ` and ${differing.length - TOLD} more` : "";
      const words = readings === first.readings ? (readings.length <= TOLD ? readings.join(" · ") : "the likeliest text") : told + more;
      const bar = element("span", { class: "bar", "aria-hidden": "true" });
      bar.style.setProperty("--share", first.probability ? probability / first.probability : 0);
      return element(
        "li",
        {},
        element(
          "button",
          { type: "button", class: "reading", "aria-pressed": String(readings.every((text, i) => text === now[i])), onclick: () => take(readings) },
          element("span", { class: "mark", "aria-hidden": "true" }, readings.every((text, i) => text === now[i]) ? "◆" : ""),
          element("span", { class: "words" }, words),
          element("span", { class: "share" }, percent(probability)),
          bar,
        ),
      );
    }),
  );
}

function take(readings) {
  const at = [...get("hypotheses").querySelectorAll("button")].indexOf(document.activeElement);
  choices.clear();
  readings.forEach((text, i) => {
    if (text !== (likeliest(restoration, i) ?? "")) choices.set(i, text);
  });
  say("The document shows this joint reading.");
  changed();
  get("hypotheses").querySelectorAll("button")[at]?.focus();
}

function press(button, act) {
  button.addEventListener("click", () => {
    const now = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(now));
    act(now);
  });
}

press(get("as-found"), (yes) => shown.damaged(yes));
press(get("shade"), (yes) => get("document").classList.toggle("plain", !yes));
get("reset").addEventListener("click", () => {
  choices.clear();
  say("Every hole shows its likeliest reading.");
  changed();
  get("copy").focus();
});
get("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(shown.text());
    say("Copied.");
    get("copy").textContent = "Copied";
    setTimeout(() => (get("copy").textContent = "Copy the text"), 1500);
  } catch {
    getSelection().selectAllChildren(get("document"));
    say("The text is selected; copy it with the keyboard.");
  }
});

legend(get("legend"));
document.querySelectorAll("#tools, #hint").forEach((part) => (part.hidden = false));
shown.show(restoration);
if (restoration.gaps.length && matchMedia("(min-width: 60rem)").matches) shown.open(0, { scroll: false });
drawHypotheses();
