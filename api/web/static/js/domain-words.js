// The words of the trade as a person writes them: one a line, with how they are spoken where that is another.

/** "MSRP = m s r p, msrp" a line -> [{term, spoken}], each with the line (from 1) that it stands in. */
export function parsed(written) {
  return written.split("\n").flatMap((line, at) => {
    const [term, ...said] = line.split("=");
    if (!line.trim()) return [];
    const spoken = said.join("=").split(",").map((each) => each.trim()).filter(Boolean);
    return [{ line: at + 1, word: { term: term.trim(), spoken } }];
  });
}

/** The reverse. */
export const writtenOf = (words) => words.map(({ term, spoken = [] }) => (spoken.length ? `${term} = ${spoken.join(", ")}` : term)).join("\n");
