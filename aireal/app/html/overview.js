// The list of files: scrolls into view after a choice, and has a button that clears it.
let wasListed = false;
watch("value", () => {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (props.value && !wasListed) element.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
  wasListed = Boolean(props.value);
});
element.addEventListener("click", ({ target }) => {
  if (target.closest("[data-clear]")) trigger("cleared");
});
