// What the node sends: every message is a JSON array of envelopes.

/** The envelopes in `text` that this page understands; what is none is left out, and said in the console. */
export function envelopesOf(text) {
  let envelopes;
  try {
    envelopes = JSON.parse(text);
  } catch (error) {
    console.warn("A message of the node is not JSON:", error);
    return [];
  }
  if (!Array.isArray(envelopes)) return [];
  return envelopes.filter((envelope) => envelope?.v === 1 && typeof envelope.type === "string" && envelope.data);
}
