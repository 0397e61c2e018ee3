// Addresses and pages: which page an address below /ui/ means, and going from one to the next without loading anew.
//
// A page is a module with `show(place)`: it returns `{ node, title }`, and may return `keys`, `update(place)` for a
// new address of the same page, and `attached()`, called when the node is on the screen. What a page began ends with
// `place.signal`.

import { back, check } from "./connection.js";
import { problemPage } from "./problem.js";
import { forget, recall, store } from "./preferences.js";
import { UI, Unreachable } from "./server.js";

const TRIED = "reloaded";
const routes = [];
let current = null;
let shown = () => {};

export function addRoute(pattern, load) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => {
    names.push(name);
    return "([^/]+)";
  });
  routes.push({ pattern, expression: new RegExp(`^${source}/?$`), names, load });
}

// `show(page)` puts a page on the screen; returns once the first is there.
export function startRouter(show) {
  shown = show;
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => go());
  document.addEventListener("click", follow);
  return go();
}

export function address(path = "", parameters) {
  const url = new URL(path, UI);
  if (parameters) url.search = new URLSearchParams(parameters).toString();
  return url.href;
}

// To where one has come from it goes back, so that one finds it as one left it.
export function navigate(url, { replace = false } = {}) {
  const before = location.href;
  if (!replace && history.state?.before === String(url)) {
    history.back();
    return undefined;
  }
  remember();
  if (replace) history.replaceState({ before: history.state?.before }, "", url);
  else history.pushState({ before }, "", url);
  return go();
}

// Another address for what is shown already.
export function rewrite(url, { push = false } = {}) {
  if (String(url) === location.href) return;
  if (push) history.pushState({ before: location.href }, "", url);
  else history.replaceState(history.state, "", url);
}

export function reload() {
  return go({ again: true });
}

export function remember() {
  history.replaceState({ ...history.state, scroll: scrollY }, "");
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.target || link.hasAttribute("download") || !link.href.startsWith(UI.href) || link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  navigate(link.href);
}

function find(path) {
  for (const route of routes) {
    const found = route.expression.exec(path);
    if (found) {
      const given = found.slice(1).map(decodeURIComponent);
      return { route, variables: Object.fromEntries(route.names.map((name, at) => [name, given[at]])) };
    }
  }
  return null;
}

async function made(route, place) {
  let module;
  try {
    module = await route.load();
  } catch (error) {
    await loadAnew(error, place.signal);
  }
  forget(TRIED);
  return module.show(place);
}

// The files of a page cannot be had: the server is away, or another version of it has come with other files.
async function loadAnew(error, signal) {
  await check();
  await back(signal);
  if (recall(TRIED)) throw error;
  store(TRIED);
  location.reload();
  await new Promise(() => {});
}

async function go({ again = false } = {}) {
  const path = location.pathname.slice(UI.pathname.length);
  const found = find(path) ?? find("missing");
  const parameters = new URLSearchParams(location.search);
  if (!again && current?.route === found.route && current.page?.update && current.path === path) {
    current.page.update({ parameters });
    return;
  }
  current?.ending.abort();
  const mine = (current = { route: found.route, path, ending: new AbortController(), page: null });
  const place = { path, parameters, variables: found.variables, signal: mine.ending.signal, scroll: history.state?.scroll ?? 0 };
  let page;
  try {
    page = await made(found.route, place);
  } catch (error) {
    if (mine.ending.signal.aborted || error.name === "AbortError") return;
    page = problemPage(error);
    // what could not be asked is asked again when the server is back
    if (error instanceof Unreachable) back(mine.ending.signal).then(() => go({ again: true }), () => {});
  }
  if (mine.ending.signal.aborted) return;
  mine.page = page;
  shown(page);
  page.attached?.();
  scrollTo(0, place.scroll);
}
