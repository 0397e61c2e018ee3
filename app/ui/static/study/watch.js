// Pages that stay open: what they show is asked for again from time to time, at the cost of a 304, and as soon as
// the server is back. Whatever is gone or changed makes the page anew.

import { reload } from "../router.js";
import { ServerError, Unreachable } from "../server.js";
import { back } from "../connection.js";

const SECONDS = 10;

// `read()` gives a text that stands for what is shown; another one, or a 404 or 410, means it is no longer so.
export function watch(signal, read, first) {
  let known = first;
  let asking = false;
  async function look() {
    if (asking || document.hidden || signal.aborted) return;
    asking = true;
    try {
      const now = await read();
      if (now !== known && !signal.aborted) {
        known = now;
        reload();
      }
    } catch (error) {
      if (error instanceof ServerError && (error.status === 404 || error.status === 410)) reload();
      else if (error instanceof Unreachable) back(signal).then(look, () => {});
    } finally {
      asking = false;
    }
  }
  const timer = setInterval(look, SECONDS * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  addEventListener("focus", look, { signal });
  addEventListener("dicomlake:changed", look, { signal });
}
