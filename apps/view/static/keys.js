// Keys, by the name of the key; none is taken from who types into a field, but Escape, which leaves it.

export function onKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const field = event.target.closest("input, select, textarea");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return; // its own
    const action = actions[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}

// Moves a choice among rows: j, k, arrows, Home, End.
export function moves(go, last) {
  return {
    j: () => go((at) => at + 1),
    k: () => go((at) => at - 1),
    ArrowDown: () => go((at) => at + 1),
    ArrowUp: () => go((at) => at - 1),
    Home: () => go(() => 0),
    End: () => go(() => last()),
  };
}
