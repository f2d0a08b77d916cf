// The language of the page: the one chosen in this tab before, else the browser's, else English.
(() => {
  const KEY = "aireal-language";
  const speak = () => window.airealSpeak(sessionStorage.getItem(KEY) ?? (navigator.language.startsWith("ko") ? "ko" : "en"));
  speak();
  document.addEventListener(KEY, ({ detail }) => sessionStorage.setItem(KEY, detail));
  new MutationObserver((_, observer) => {
    if (!document.querySelector("[data-language-of]")) return;
    observer.disconnect();
    speak();  // again, for the buttons are there only now
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
