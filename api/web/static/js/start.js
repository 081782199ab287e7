// How a page of lists begins: with who is signed in, and with a word where it cannot.

import { inWords } from "./dialog.js";
import { dismiss, notify } from "./notices.js";
import { signedIn } from "./shell.js";
import { text } from "./texts.js";

/**
 * Begins once somebody is signed in: `make(me)` (async) resolves with the page's {show(), offer()}, of which `offer`,
 * where there is one, says in another language what its fields offer. Where that fails the page says so.
 */
export async function start(make) {
  let page = null;
  const me = await signedIn({ changed: () => { page?.offer?.(); return page?.show(); } });
  if (!me) return;
  const begin = async () => {
    dismiss("start");
    try {
      page = await make(me);
    } catch (problem) {
      if (problem.status === undefined) throw problem;
      notify("start", "bad", inWords(problem), [{ label: text("page.try_again"), run: () => void begin() }]);
      return;
    }
    await page.show();
  };
  await begin();
}
