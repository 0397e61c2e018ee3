// The studies of a search, page by page as they come into sight. Of a hundred thousand it holds some pages; what has
// been scrolled past before it came is no longer asked for.

import { back } from "../connection.js";
import { search, Unreachable } from "../server.js";

const PAGE = 50;
const HELD = 40;

export class Source {
  // `changed()` is called whenever something has come, `failed(error)` when the search cannot be answered.
  constructor(parameters, { changed, failed }) {
    this.parameters = parameters;
    this.total = undefined;
    this.changed = changed;
    this.failed = failed;
    this.pages = new Map();
    this.asked = new Map();
    this.ended = false;
  }

  get(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  // Ask for the rows from `first` to `last`, and let go of what is far from them.
  need(first, last) {
    const from = Math.floor(Math.max(0, first) / PAGE);
    const to = Math.floor(Math.max(0, last) / PAGE);
    for (const [page, ending] of this.asked) {
      if (page < from - 1 || page > to + 1) ending.abort();
    }
    for (let page = from; page <= to; page += 1) {
      if (this.total !== undefined && page && page * PAGE >= this.total) break;
      if (!this.pages.has(page) && !this.asked.has(page)) this.load(page);
    }
    for (const page of this.pages.keys()) {
      if (this.pages.size <= HELD) break;
      if (page < from || page > to) this.pages.delete(page);
    }
  }

  // Ask again for what is held; what has not changed costs the server next to nothing.
  refresh() {
    for (const page of this.pages.keys()) {
      if (!this.asked.has(page)) this.load(page);
    }
  }

  end() {
    this.ended = true;
    for (const ending of this.asked.values()) ending.abort();
  }

  async load(page) {
    const ending = new AbortController();
    this.asked.set(page, ending);
    try {
      const found = await search("studies", { ...this.parameters, limit: PAGE, offset: page * PAGE }, ending.signal);
      if (this.ended) return;
      this.pages.set(page, found.matches);
      this.total = found.total;
      this.asked.delete(page);
      this.changed();
    } catch (error) {
      this.asked.delete(page);
      if (this.ended || error.name === "AbortError") return;
      if (error instanceof Unreachable) {
        await back();
        if (!this.ended) this.load(page);
      } else this.failed(error);
    }
  }
}
