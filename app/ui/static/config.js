// What the server tells its pages: its version, and the viewers that are installed. Asked once a page.

import { askJson, UI } from "./server.js";

let asked = null;

export function config() {
  asked ??= askJson(new URL("data/config.json", UI)).catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

export async function openers() {
  try {
    return (await config()).openers;
  } catch {
    return [];
  }
}
