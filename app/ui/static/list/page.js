// The list of studies: what is typed is searched at once, what scrolls into sight is fetched, and all of it stands
// in the address.

import { debounce, fill, h } from "../dom.js";
import { icon } from "../icons.js";
import { navigate, remember, rewrite, address } from "../router.js";
import { t } from "../texts.js";
import { rememberList } from "./place.js";
import { makeFilters } from "./filters.js";
import { fillRow } from "./row.js";
import { Rows } from "./rows.js";
import { Source } from "./source.js";
import { ALL, isNarrowed, NEWEST, readState, searchParameters, writeState } from "./state.js";

const TYPING = 25; // milliseconds that a pause in typing lasts
const REFRESH = 10_000;
const COLUMNS = [["who", "column.patient", "name"], ["what", "column.study", "description"], ["kinds", "column.modality", ""], ["when", "column.date", "date"], ["much", "column.images", "images"]];

export async function show(place) {
  const page = new StudyList(place);
  await page.first;
  return { node: page.node, title: t("nav.studies"), keys: page.keys(), update: ({ parameters }) => page.take(readState(parameters)), attached: () => page.rows.drawNow({ anew: true }) };
}

class StudyList {
  constructor(place) {
    this.signal = place.signal;
    this.state = readState(place.parameters);
    this.filters = makeFilters({
      change: (part) => this.choose(part, true),
      typed: debounce(TYPING, (words) => this.choose({ words }, false)),
    });
    this.rows = new Rows({
      label: t("nav.studies"),
      columns: COLUMNS.length,
      fill: (row, index) => fillRow(row, this.source.get(index)),
      seen: (first, last) => this.source.need(first, last),
    });
    this.head = h("div", { class: "row head", role: "row", "aria-rowindex": 1 });
    this.rows.node.prepend(h("div", { role: "rowgroup", class: "head-group" }, this.head));
    this.empty = h("div", { class: "empty", hidden: true });
    this.top = h("div", { class: "list-top" }, h("h1", { class: "visually-hidden" }, t("nav.studies")), this.filters.node);
    this.node = h("div", { class: "list" }, this.top, this.rows.node, this.empty);
    this.rows.start(this.signal);
    this.rows.body.addEventListener("focusin", (event) => this.focused(event));
    this.first = new Promise((resolve) => { this.arrived = resolve; });
    this.signal.addEventListener("abort", () => { this.source.end(); this.arrived(); });
    addEventListener("dicomlake:changed", () => this.source.refresh(), { signal: this.signal });
    const timer = setInterval(() => { if (!document.hidden) this.source.refresh(); }, REFRESH);
    this.signal.addEventListener("abort", () => clearInterval(timer));
    this.search();
  }

  // A part of the state was chosen; typing replaces the address, choosing adds one.
  choose(part, push) {
    remember();
    this.state = { ...this.state, ...part };
    rewrite(address("", writeState(this.state)), { push });
    this.search();
  }

  // The address has changed: back, forward, a link.
  take(state) {
    this.state = state;
    this.search();
  }

  search() {
    rememberList();
    this.filters.show(this.state);
    this.drawHead();
    this.source?.end();
    const before = this.source;
    const source = new Source(searchParameters(this.state), { changed: () => this.changed(source, before), failed: (error) => this.failed(error) });
    this.source = source;
    this.fresh = true;
    source.need(0, 0);
  }

  changed(source) {
    if (source !== this.source) return;
    this.arrived();
    const total = source.total;
    this.rows.setTotal(total);
    this.filters.setTotal(t("count.studies", { count: total }));
    if (this.fresh) {
      this.fresh = false;
      this.rows.active = 0;
      if (this.node.isConnected && scrollY > this.top.offsetTop) scrollTo({ top: 0, behavior: "instant" });
    }
    this.rows.node.hidden = !total;
    this.empty.hidden = Boolean(total);
    if (!total) this.drawEmpty();
    if (this.node.isConnected) this.rows.drawNow({ anew: true });
    else this.rows.draw();
  }

  failed(error) {
    this.arrived();
    this.rows.node.hidden = true;
    this.empty.hidden = false;
    this.filters.setTotal("");
    fill(this.empty, icon("alert"), h("h2", {}, t("list.failed")), h("p", {}, error.message));
  }

  drawEmpty() {
    if (isNarrowed(this.state)) {
      fill(this.empty, icon("search"), h("h2", {}, t("list.nothing")), h("p", {}, t("list.nothing.hint")),
        h("button", { type: "button", class: "button", on: { click: () => this.choose(ALL, true) } }, t("search.clear")));
    } else {
      fill(this.empty, h("div", { class: "welcome" }, icon("upload"), h("h2", {}, t("list.welcome")), h("p", {}, t("list.welcome.hint")),
        h("button", { type: "button", class: "button primary", on: { click: () => document.getElementById("upload-button").click() } }, t("upload.choose"))));
    }
  }

  drawHead() {
    const falling = this.state.sort.startsWith("-");
    const by = this.state.sort.replace("-", "");
    fill(this.head, COLUMNS.map(([name, text, sort]) => {
      const mine = sort && sort === by;
      const next = mine ? (falling ? sort : `-${sort}`) : sort === "date" || sort === "images" ? `-${sort}` : sort;
      return h("div", { class: `cell ${name}`, role: "columnheader", "aria-sort": mine ? (falling ? "descending" : "ascending") : null },
        sort ? h("button", { type: "button", class: mine ? "sorter chosen" : "sorter", on: { click: () => this.choose({ sort: next }, true) } }, t(text), h("span", { class: "arrow", "aria-hidden": "true" }, mine ? (falling ? "↓" : "↑") : "")) : t(text));
    }));
  }

  focused(event) {
    const row = event.target.closest(".row");
    if (row) this.rows.active = Number(row.getAttribute("aria-rowindex")) - 2;
  }

  move(by) {
    const inside = this.rows.body.contains(document.activeElement);
    this.rows.activate(inside ? this.rows.active + by : this.rows.active, { top: this.top.getBoundingClientRect().bottom + this.head.offsetHeight });
  }

  keys() {
    const input = this.filters.input;
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || (event.key === "Enter" && this.source.total)) {
        event.preventDefault();
        if (event.key === "Enter" && this.source.total === 1) this.openFirst();
        else this.rows.activate(this.rows.active);
      }
    });
    return [
      ["/", () => { input.focus(); input.select(); }, "help.search"],
      ["j", () => this.move(1), "help.next", "j ↓"],
      ["k", () => this.move(-1), "help.previous", "k ↑"],
      ["ArrowDown", () => this.move(1)],
      ["ArrowUp", () => this.move(-1)],
      ["Enter", () => this.rows.activate(this.rows.active), "help.open"],
      ["Escape", () => this.leave(), "help.leave"],
    ];
  }

  openFirst() {
    const link = this.rows.body.querySelector("a");
    if (link) navigate(link.href);
  }

  // Out of the field, then out of the search.
  leave() {
    if (document.activeElement === this.filters.input && !this.filters.input.value) this.filters.input.blur();
    else if (isNarrowed(this.state)) this.choose({ ...ALL, sort: NEWEST }, true);
    else document.activeElement?.blur?.();
  }
}
