// The focus, kept where it is while what it is on is shown afresh.

/** Runs `change()`; whatever had the focus before has it afterwards, found again by its id. */
export function keepingFocus(change) {
  const { id } = document.activeElement ?? {};
  change();
  if (id && document.activeElement?.id !== id) document.getElementById(id)?.focus();
}
