// What differs between two texts, line by line: the longest common subsequence of their lines.

/** Tables beyond so many cells are not filled: what is between the common ends then counts as written anew. */
const MOST_CELLS = 6_000_000;
const CONTEXT = 3;

/**
 * The lines of `before` and `after` in order: [{kind: "same", "removed" or "added", before, after, line}], where
 * `before` and `after` are line numbers from 1, null in the text that lacks the line.
 */
export function diff(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail += 1;
  const found = [];
  let [i, j] = [0, 0];
  const same = () => { found.push({ kind: "same", before: i + 1, after: j + 1, line: a[i] }); i += 1; j += 1; };
  const removed = () => { found.push({ kind: "removed", before: i + 1, after: null, line: a[i] }); i += 1; };
  const added = () => { found.push({ kind: "added", before: null, after: j + 1, line: b[j] }); j += 1; };
  while (i < head) same();
  const [endA, endB] = [a.length - tail, b.length - tail];
  const common = lengths(a.slice(head, endA), b.slice(head, endB));
  while (i < endA || j < endB) {
    if (i < endA && j < endB && a[i] === b[j] && common) same();
    else if (i < endA && (j === endB || !common || common(i + 1 - head, j - head) >= common(i - head, j + 1 - head))) removed();
    else added();
  }
  while (i < a.length) same();
  return found;
}

/** (i, j) -> how many lines a[i…] and b[j…] have in common in order; null where that is too much to work out. */
function lengths(a, b) {
  const width = b.length + 1;
  if ((a.length + 1) * width > MOST_CELLS) return null;
  const table = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j]
        ? table[(i + 1) * width + j + 1] + 1
        : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
    }
  }
  return (i, j) => table[i * width + j];
}

/** How many lines were added and removed. */
export function counted(lines) {
  const of = (wanted) => lines.filter(({ kind }) => kind === wanted).length;
  return { added: of("added"), removed: of("removed") };
}

/** Parts of a diff that changed, each with a few lines around it: [{skipped, lines}], `skipped` before it. */
export function hunks(lines) {
  const shown = new Uint8Array(lines.length);
  let last = -1;
  lines.forEach(({ kind }, at) => {
    if (kind === "same") return;
    // A gap of a line or two is sooner read than skipped.
    const from = last >= 0 && at - last <= 3 * CONTEXT ? last : Math.max(0, at - CONTEXT);
    shown.fill(1, from, Math.min(lines.length, at + CONTEXT + 1));
    last = at;
  });
  const found = [];
  let skipped = 0;
  lines.forEach((line, at) => {
    if (!shown[at]) { skipped += 1; return; }
    if (!found.length || skipped) found.push({ skipped, lines: [] });
    found.at(-1).lines.push(line);
    skipped = 0;
  });
  return found;
}
