// The choice of language in the page's header.

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

/** Offers the languages; `changed()` shows the present view afresh in the chosen one. */
export function offer(changed) {
  const select = byId("language");
  select.value = language();
  byId("language-choice").hidden = false;
  select.addEventListener("change", async () => {
    try {
      await load(select.value);
    } catch (error) {
      console.warn("The language could not be changed:", error);
      select.value = language();
      notify("language", "bad", text("page.language_failed"));
      return;
    }
    dismiss("language");
    select.value = language();
    remember("language", language());
    await changed();
    // A view shown afresh takes the focus, which would end a choice made by keyboard.
    select.focus();
  });
}
