// What a user chose, kept in this browser; where storage is forbidden it lasts as long as the page.

const PREFIX = "dicomlake.";
const held = new Map();

export function preference(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? held.get(name) ?? "";
  } catch {
    return held.get(name) ?? "";
  }
}

export function prefer(name, value) {
  held.set(name, value);
  try {
    if (value) localStorage.setItem(PREFIX + name, value);
    else localStorage.removeItem(PREFIX + name);
  } catch {
    // held above
  }
}

// Marks that last as long as the tab.
export function store(name) {
  try {
    sessionStorage.setItem(PREFIX + name, "1");
  } catch {
    held.set(name, "1");
  }
}

export function recall(name) {
  try {
    return Boolean(sessionStorage.getItem(PREFIX + name)) || held.has(name);
  } catch {
    return held.has(name);
  }
}

export function forget(name) {
  held.delete(name);
  try {
    sessionStorage.removeItem(PREFIX + name);
  } catch {
    // deleted above
  }
}

export function theme() {
  return preference("theme") || "auto";
}

export function setTheme(chosen) {
  prefer("theme", chosen === "auto" ? "" : chosen);
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
