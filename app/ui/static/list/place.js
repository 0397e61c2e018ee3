// Where the list was left, with what was searched: the way back to it from a study.

import { address } from "../router.js";

let last = "";

export function rememberList() {
  last = location.href;
}

export function listAddress() {
  return last || address();
}
