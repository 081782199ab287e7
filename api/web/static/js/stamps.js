// What a coach says to a trainee without a word: a small set of reactions.

/** Each with its icon, in the order of their keys. */
export const STAMPS = [["great", "star"], ["question", "question"], ["listen", "ear"], ["slow", "slow"], ["close", "flag"]];

export const iconOf = (stamp) => STAMPS.find(([name]) => name === stamp)?.[1] ?? "info";
