// Vehicle identification numbers, checked while somebody types; the node has the last word (processing/vin.py).

const LENGTH = 17;
/** 49 CFR 565.15, table III: the values of letters. */
const VALUES = Object.fromEntries([..."ABCDEFGHJKLMNPRSTUVWXYZ"].map((letter, at) => [letter, Number("12345678123457923456789"[at])]));
/** Table IV. */
const WEIGHTS = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];

/** Capitals, without spaces and hyphens. */
export const bareVin = (typed) => typed.replace(/[\s-]+/g, "").toUpperCase();

/** What is wrong with a bare VIN: "length", "letters" or "check"; null where nothing is. */
export function wrongOf(vin) {
  if (vin.length !== LENGTH) return "length";
  if (!/^[0-9A-HJ-NPR-Z]*$/.test(vin)) return "letters";
  // The ninth is a check digit for makers of North America alone (ISO 3780: 1 to 5).
  return /^[1-5]/.test(vin) && vin[8] !== checkDigit(vin) ? "check" : null;
}

function checkDigit(vin) {
  const sum = [...vin].reduce((all, letter, at) => all + WEIGHTS[at] * (VALUES[letter] ?? Number(letter)), 0) % 11;
  return sum === 10 ? "X" : String(sum);
}
