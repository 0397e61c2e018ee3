// One store request, with word of how far it has come: fetch cannot tell that, XMLHttpRequest can.

import { dicomweb } from "../server.js";

export class Interrupted extends Error {}

// Resolves to { status, module, message, skipped }. Rejects with Interrupted where the server was lost or cannot work now.
export function send({ body, type }, { progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", dicomweb("studies").href);
    request.setRequestHeader("Content-Type", type);
    request.setRequestHeader("Accept", "application/dicom+json");
    request.upload.addEventListener("progress", (event) => progress(event.loaded));
    request.addEventListener("load", () => {
      const told = parsed(request.responseText);
      if ([500, 502, 503, 504].includes(request.status)) reject(new Interrupted(told?.Message ?? String(request.status)));
      else resolve({ status: request.status, module: told, message: told?.Message ?? "", skipped: Number(request.getResponseHeader("X-Dicomlake-Skipped") ?? 0) });
    });
    request.addEventListener("error", () => reject(new Interrupted("")));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
