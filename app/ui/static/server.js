// All that is asked of the server goes through here: addresses, errors in words, and word of whether it is there.
//
// The pages lie at <server>/ui/a/<version>/, so every address follows from where this file came from, below
// whatever prefix a proxy has put the server.

import { lost, seen } from "./connection.js";

export const UI = new URL("../../", import.meta.url);
export const ROOT = new URL("../", UI);
export const DICOMWEB = new URL("dicom-web/", ROOT);

export class ServerError extends Error {
  constructor(status, message, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

// The server could not be reached, or told that it cannot work now: to be tried again.
export class Unreachable extends Error {}

export function dicomweb(path, parameters) {
  const url = new URL(path.replace(/^\//, ""), DICOMWEB);
  for (const [name, value] of Object.entries(parameters ?? {})) {
    if (value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

export function studyPath(study, series, instance) {
  let path = `studies/${encodeURIComponent(study)}`;
  if (series) path += `/series/${encodeURIComponent(series)}`;
  if (instance) path += `/instances/${encodeURIComponent(instance)}`;
  return path;
}

export async function ask(url, { signal, method = "GET", accept = "application/json", body, headers } = {}) {
  let answer;
  try {
    answer = await fetch(url, { method, signal, body, headers: { Accept: accept, ...headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    lost();
    throw new Unreachable("unreachable");
  }
  if (answer.status === 502 || answer.status === 503 || answer.status === 504) {
    const told = await reason(answer);
    lost(told);
    throw new Unreachable(told);
  }
  seen();
  if (!answer.ok) throw new ServerError(answer.status, await reason(answer));
  return answer;
}

export async function askJson(url, options) {
  const answer = await ask(url, options);
  return answer.status === 204 ? null : answer.json();
}

// A search: the matches, and how many there are in all.
export async function search(path, parameters, signal) {
  const answer = await ask(dicomweb(path, parameters), { signal, accept: "application/dicom+json" });
  const matches = answer.status === 204 ? [] : await answer.json();
  return { matches, total: Number(answer.headers.get("X-Total-Count") ?? matches.length) };
}

async function reason(answer) {
  try {
    const told = await answer.json();
    return told.Message || told.error || answer.statusText;
  } catch {
    return answer.statusText || String(answer.status);
  }
}
