// The list of files: comes into view when a choice was made, and can be cleared.
let listed = false;
watch("value", () => {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (props.value && !listed) element.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
  listed = Boolean(props.value);
});
element.addEventListener("click", ({ target }) => {
  if (target.closest("[data-clear]")) trigger("cleared");
});
