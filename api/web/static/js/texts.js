// What the page says, by key, in the reader's language: the node's catalogues (engine/locales).

/** The catalogue in use: {language, beta, speech, texts}. `speech`: the node recognizes speech in it. */
let catalogue = { language: "en", beta: false, speech: true, texts: {} };

const LOCALES = { en: "en-GB", es: "es-ES" };
const PARAMETER = /\{(\w+)(?::\.([01])f)?\}/g;
const ATTRIBUTES = ["aria-label"];
const formats = new Map();

/**
 * Fetches the catalogue of `language` and shows it: in the elements marked `data-text="KEY"`, the attributes marked
 * `data-text-ATTRIBUTE="KEY"`, and as <html lang>. Throws when it cannot be had; then nothing has changed.
 */
export async function load(language) {
  const answer = await fetch(`/api/v1/catalogues/${language}`);
  if (!answer.ok) throw new Error(`The node has no texts in ${language}: ${answer.status}`);
  const before = catalogue.language;
  catalogue = await answer.json();
  document.documentElement.lang = language;
  // The page as it is served says in English what the English catalogue says.
  if (language !== before) fill();
}

/** The language of the page, as in <html lang>. */
export const language = () => catalogue.language;

/** Which locale writes its dates and numbers. */
export const locale = () => LOCALES[catalogue.language];

/** What a call is held in: the page's language, or English where the node does not understand that one. */
export const spokenLanguage = () => (catalogue.speech ? catalogue.language : "en");

/** Whether there is a text of `key`. */
export const has = (key) => key in catalogue.texts;

/** The text of `key`; a number among `parameters` has the decimals that the text asks for, none by default. */
export function text(key, parameters = {}) {
  if (!has(key)) {
    console.error("The catalogue has no text", key);
    return key;
  }
  return catalogue.texts[key].replace(PARAMETER, (_, name, digits = "0") => {
    const value = parameters[name];
    return typeof value === "number" ? decimal(value, Number(digits)) : String(value);
  });
}

/** Shows the text of `key` in `element`, in whatever language comes to be chosen. */
export function write(element, key) {
  element.dataset.text = key;
  element.textContent = text(key);
}

/** -28.44 -> "−28.4", "−28,4": so many decimals, a real minus sign. */
export function decimal(number, digits = 1) {
  const kind = `${locale()} ${digits}`;
  if (!formats.has(kind)) {
    formats.set(kind, new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  }
  // Adding zero makes of a negative one, which rounding may leave, a zero.
  return formats.get(kind).format(Number(number.toFixed(digits)) + 0).replace("-", "−");
}

function fill() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const name of ATTRIBUTES) {
    for (const element of document.querySelectorAll(`[data-text-${name}]`)) {
      element.setAttribute(name, text(element.getAttribute(`data-text-${name}`)));
    }
  }
}
