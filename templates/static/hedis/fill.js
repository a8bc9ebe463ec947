/* Fills a part of a page that takes seconds to compute: asks for it alone and swaps it in. Without scripts, or where the
   answer is no such part, what stands there stays, with its link. */
"use strict";
(() => {
  for (const waiting of document.querySelectorAll("[data-fill]")) {
    fetch(waiting.dataset.fill, { credentials: "same-origin", cache: "no-store" }).then(async (answer) => {
      if (!answer.ok || answer.redirected) return;
      const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("section");
      if (part && !waiting.contains(document.activeElement)) waiting.replaceWith(document.adoptNode(part));
    });
  }
})();
