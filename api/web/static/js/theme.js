// Light or dark, as <html data-theme>: known before anything is painted, so this is no module and the page waits for it.
// What is chosen in the account (a copy of it is kept on this device), and else as the device has it.

{
  const root = document.documentElement;
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "system";
  try {
    chosen = JSON.parse(localStorage.getItem("forecourt.theme")) ?? "system";
  } catch (error) {
    console.info("Nothing could be read from storage:", error);
  }
  const show = () => { root.dataset.theme = chosen === "system" ? (isDark.matches ? "dark" : "light") : chosen; };
  isDark.addEventListener("change", show);
  // The header and the account page tell of another choice.
  addEventListener("forecourt-theme", ({ detail }) => { chosen = detail; show(); });
  show();
}
