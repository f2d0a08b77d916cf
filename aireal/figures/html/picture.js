// Answers slider, marks, superpixels and the choice of language for every picture of the page, also for those that come later.
(() => {
  if (window.airealPage) return;
  window.airealPage = true;

  const speak = language => {
    const root = document.documentElement;
    root.dataset.language = root.lang = language;
    for (const button of document.querySelectorAll("[data-language-of]"))
      button.setAttribute("aria-pressed", String(button.dataset.languageOf === language));
    document.dispatchEvent(new CustomEvent("aireal-language", { detail: language }));
  };
  window.airealSpeak = speak;
  if (document.documentElement.dataset.language) speak(document.documentElement.dataset.language);

  document.addEventListener("input", ({ target }) => {
    if (target.matches?.("[data-opacity]")) {
      const view = target.closest(".view");
      view.querySelector(".stage").style.setProperty("--heat", target.value / 100);
      view.querySelector("output").textContent = `${target.value}%`;
    }
  });
  document.addEventListener("change", ({ target }) => {
    if (target.matches?.("[data-marks]")) target.closest(".view").querySelector(".stage").toggleAttribute("data-bare", !target.checked);
  });

  // A piece and its line are lit while one of them is pointed at or has the focus, and stay lit once pressed.
  const pieceOf = target => target.closest?.("[data-linked] [data-piece]");
  const light = (view, number) => {
    for (const one of view.querySelectorAll("[data-piece]")) {
      const pressed = view.dataset.pressed === one.dataset.piece;
      one.toggleAttribute("data-lit", one.dataset.piece === (number ?? view.dataset.pressed));
      one.setAttribute("aria-pressed", String(pressed));
    }
  };
  const press = one => {
    const view = one.closest("[data-linked]");
    if (view.dataset.pressed === one.dataset.piece) delete view.dataset.pressed;
    else view.dataset.pressed = one.dataset.piece;
    light(view);
  };
  const follow = (on, off) => {
    document.addEventListener(on, ({ target }) => {
      const one = pieceOf(target);
      if (one && (on !== "focusin" || one.matches(":focus-visible"))) light(one.closest("[data-linked]"), one.dataset.piece);
    });
    document.addEventListener(off, ({ target }) => {
      const one = pieceOf(target);
      if (one) light(one.closest("[data-linked]"));
    });
  };
  follow("pointerover", "pointerout");
  follow("focusin", "focusout");

  document.addEventListener("click", ({ target }) => {
    const button = target.closest?.("[data-language-of]");
    if (button) speak(button.dataset.languageOf);
    const one = pieceOf(target);
    if (one) press(one);
  });
  document.addEventListener("keydown", event => {
    const one = pieceOf(event.target);
    if (!one) return;
    if (one.tagName === "path" && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      press(one);
    }
    if (event.key === "Escape") {
      const view = one.closest("[data-linked]");
      delete view.dataset.pressed;
      light(view);
    }
  });
})();
