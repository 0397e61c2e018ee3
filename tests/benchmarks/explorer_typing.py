"""Typing in the explorer's list: from each key to the rows that match being painted.

    python -m tests.benchmarks.explorer_typing --store FOLDER [--node-dir FOLDER]

Wants an archive of many studies (`make bench-scale FOLDER=...` makes one of 100 000), serves it and types words
into the search, key by key, each after the rows of the one before have been painted. What is told of a key:

    asking    from the key to the request: the pause that ends a word, the page's own work
    waiting   for the answer's first byte
    reading   the answer
    drawing   from its last byte to the rows in the page
    painting  from there until a frame with them has been drawn
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from pathlib import Path
from typing import Any

from tests.app.processes import server
from tests.browser.chromium import chromium

_WORDS = ("smith", "kim", "garcia", "o'neill", "ct head", "mr knee", "p00001", "a0000123", "ann", "zzzz")
_PARTS = ("asking", "waiting", "reading", "drawing", "painting", "all")
_FIRST_ROW = ".rows .row:not(.waiting) a"
_WATCH = """
(() => {
  const page = window.__typing = { told: [] };
  const painted = (work) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = work;
    channel.port2.postMessage(0);
  });
  document.addEventListener("input", (event) => {
    performance.clearResourceTimings();
    page.key = event.timeStamp;
    page.told = null;
  }, true);
  // the number of studies is told in the same breath as the rows are drawn
  const seen = () => {
    if (page.told !== null) return;
    const drawn = performance.now();
    page.told = undefined;
    painted(() => {
      const now = performance.now();
      const answer = performance.getEntriesByType("resource").findLast((one) => one.name.includes("search="));
      if (!answer) return;
      page.told = [answer.startTime - page.key, answer.responseStart - answer.startTime,
        answer.responseEnd - answer.responseStart, drawn - answer.responseEnd, now - drawn, now - page.key];
    });
  };
  const total = document.querySelector(".total");
  new MutationObserver(seen).observe(total, { childList: true, characterData: true, subtree: true });
})()
"""


async def type_words(page: Any) -> list[list[float]]:
    """Milliseconds of the parts of each key whose rows were other than those before."""
    found = []
    for word in _WORDS:
        await page.fill("#search", "")
        await page.wait_for_timeout(500)
        for key in word:
            await page.keyboard.press("Space" if key == " " else key)
            await page.wait_for_timeout(50)
            for _ in range(40):
                told: list[float] | None = await page.evaluate("window.__typing.told")
                if told:
                    break
                await page.wait_for_timeout(25)
            if told:
                found.append(told)
            await page.wait_for_timeout(150)
    return found


def tell(found: list[list[float]]) -> None:
    """Print what each part took."""
    print(f"{len(found)} keys; milliseconds")
    for name, times in zip(_PARTS, zip(*found, strict=True), strict=True):
        ordered = sorted(times)
        most = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        middle = statistics.median(ordered)
        print(f"{name:<9} median {middle:4.0f}   95 % within {most:4.0f}   most {ordered[-1]:4.0f}")


async def measure(arguments: argparse.Namespace) -> None:
    """Serve, type, tell."""
    more = ("--node-dir", arguments.node_dir) if arguments.node_dir else ()
    async with server(Path(arguments.store), "--no-log-access", *more) as running, chromium() as browser:
        context = await browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
        for _ in range(arguments.runs):
            page = await context.new_page()
            await page.goto(running.url + "/ui/")
            await page.wait_for_selector(_FIRST_ROW, timeout=120_000)
            print(await page.locator(".total").inner_text())
            await page.focus("#search")
            await page.evaluate(_WATCH)
            tell(await type_words(page))
            await page.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="an archive of many studies; nothing is stored into it")
    parser.add_argument("--node-dir", default="", help="where the server keeps its catalog")
    parser.add_argument("--runs", type=int, default=2)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
