// A frame in its stored form, decoded by this browser, if the server has the codec for it, or it needs none.

import { codecs } from "../../config.js";
import { ask, dicomweb } from "../../server.js";
import { kindOf } from "./kinds.js";
import { decode } from "./pool.js";

const MOST_FAILURES = 3;
const failures = new Map(); // codec to how often in a row it could not be loaded, or did not come to an end

// { words } or { bitmap }; null if the server is to decode the frame: it has no codec to give, or the codec cannot
// read the frame. Whether something is wrong with that is then the server's to say.
export async function readStored(slide, signal) {
  const kind = kindOf(slide);
  if (!kind || (failures.get(kind.codec) ?? 0) >= MOST_FAILURES) return null;
  const folder = kind.own ? "" : await codecs();
  if (!folder && !kind.own) return null;
  const answer = await ask(dicomweb(`${slide.path}/frames/${slide.frame}`), { signal, accept: `${kind.media}; transfer-syntax=${slide.syntax}` });
  const data = new Uint8Array(await answer.arrayBuffer());
  try {
    const made = await decode({ folder, codec: kind.codec, data, image: imageOf(slide) }, signal);
    failures.set(kind.codec, 0);
    return made;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (error.unloaded) failures.set(kind.codec, (failures.get(kind.codec) ?? 0) + 1);
    return null;
  }
}

function imageOf({ rows, columns, stored, rgb }) {
  return { rows, columns, samples: rgb ? 3 : 1, allocated: stored.allocated, signed: stored.signed };
}
