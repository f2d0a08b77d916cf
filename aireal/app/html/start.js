// Sets the language of the page: the last choice in this tab, else the browser's language, else English.
(() => {
  const KEY = "aireal-language";
  const setLanguage = () => window.airealSpeak(sessionStorage.getItem(KEY) ?? (navigator.language.startsWith("ko") ? "ko" : "en"));
  setLanguage();
  document.addEventListener(KEY, ({ detail }) => sessionStorage.setItem(KEY, detail));
  new MutationObserver((_, observer) => {
    if (!document.querySelector("[data-language-of]")) return;
    observer.disconnect();
    setLanguage();  // again, because the buttons exist only now
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
