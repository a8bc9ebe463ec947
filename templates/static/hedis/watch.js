/* Brings fresh figures into a page while work is under way: fetches the page again and swaps its watched part.
   Ends by itself after ten minutes, because every fetch counts as the person being there and would hold off the
   sign-out of a screen that nobody looks at. */
"use strict";
(() => {
  const EVERY = 3000, MOST = 200;
  let rounds = 0;
  const look = async () => {
    const shown = document.getElementById("watched");
    rounds += 1;
    if (!document.hidden && !shown.contains(document.activeElement)) {
      const answer = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("watched");
      if (!fresh) return;
      shown.replaceWith(document.adoptNode(fresh));
      if (!page.querySelector('script[src*="hedis/watch"]')) return;
    }
    if (rounds < MOST) setTimeout(look, EVERY);
  };
  setTimeout(look, EVERY);
})();
