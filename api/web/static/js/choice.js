// The page's texts, and the choice of their language in the header.

import { byId } from "./element.js";
import { dismiss, notify } from "./notices.js";
import { remember } from "./preferences.js";
import { language, load, text } from "./texts.js";

/** Loads the texts of the page's language; whether they came. Without them the page says so, in English. */
export async function begin() {
  const root = document.documentElement;
  try {
    await load(root.lang);
    return true;
  } catch (error) {
    console.error("The page cannot begin without its texts:", error);
    root.lang = "en";
    byId("unloaded").hidden = false;
    return false;
  } finally {
    delete root.dataset.texts;
  }
}

/** Shows the page in `wanted` from now on; whether that could be. */
export async function speak(wanted) {
  if (wanted === language()) return true;
  try {
    await load(wanted);
  } catch (error) {
    console.warn("The language could not be changed:", error);
    notify("language", "bad", text("page.language_failed"));
    return false;
  }
  dismiss("language");
  remember("language", wanted);
  return true;
}

/** Offers the languages; `changed(language)` shows the present view afresh in the chosen one. */
export function offer(changed) {
  const select = byId("language");
  select.value = language();
  byId("language-choice").hidden = false;
  select.addEventListener("change", async () => {
    const isChanged = await speak(select.value);
    select.value = language();
    if (!isChanged) return;
    await changed(language());
    // A view shown afresh takes the focus, which would end a choice made by keyboard.
    select.focus();
  });
}
