// What the server tells its pages: its version, the viewers and codecs that are installed. Asked once a page.

import { askJson, ROOT, UI } from "./server.js";

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

// The folder of the codecs that decode frames in the browser; empty if the server has none.
export async function codecs() {
  try {
    const { codecs: folder } = await config();
    return folder && new URL(folder, ROOT).href;
  } catch {
    return "";
  }
}
