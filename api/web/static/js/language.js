// The page's language, as <html lang>: known before anything is painted, so this is no module and the page waits for it.
// What was chosen before, else the first of the browser's languages that there are texts in, else English.

{
  const LANGUAGES = ["en", "es"];
  let chosen = null;
  try {
    chosen = JSON.parse(localStorage.getItem("forecourt.language"));
  } catch (error) {
    console.info("Nothing could be read from storage:", error);
  }
  const wished = [chosen, ...navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())];
  const root = document.documentElement;
  root.lang = wished.find((language) => LANGUAGES.includes(language)) ?? "en";
  // theme.css hides the English texts until texts.js has replaced them.
  if (root.lang !== "en") root.dataset.texts = "awaited";
}
