// Undo and redo over snapshots of the page's state. Knows nothing of what is in them.

const LONGEST = 500; // snapshots
const PAUSE = 900; // milliseconds: typing without a longer pause is undone as one

export function history(first) {
  const past = [first];
  let at = 0;
  let typed = 0; // when the last snapshot was typed; 0 where it was not

  return {
    get now() {
      return past[at];
    },
    get undoable() {
      return at > 0;
    },
    get redoable() {
      return at < past.length - 1;
    },
    push(snapshot, { typing = false } = {}) {
      const now = Date.now();
      if (typing && now - typed < PAUSE && at > 0) past.length = at;
      else past.length = at + 1;
      past.push(snapshot);
      if (past.length > LONGEST) past.shift();
      at = past.length - 1;
      typed = typing ? now : 0;
    },
    undo() {
      typed = 0;
      at = Math.max(0, at - 1);
      return past[at];
    },
    redo() {
      typed = 0;
      at = Math.min(past.length - 1, at + 1);
      return past[at];
    },
  };
}
