// The keyboard: / goes to the search, j and k go down and up a list. And a transcript that grows stays at its end.
"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    document.getElementById("find")?.focus();
    event.preventDefault();
  } else if (event.key === "j" || event.key === "k") {
    const names = [...document.querySelectorAll("a.name, a.seq")];
    const at = names.indexOf(document.activeElement);
    names[event.key === "j" ? Math.min(at + 1, names.length - 1) : Math.max(at - 1, 0)]?.focus();
    event.preventDefault();
  }
});

const atEnd = () => window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 120;
let follow = false;
document.addEventListener("htmx:beforeSwap", (event) => { follow = event.target.matches(".tail") && atEnd(); });
document.addEventListener("htmx:afterSwap", () => {
  if (follow) window.scrollTo({ top: document.documentElement.scrollHeight });
});
