// One frame from the server, as values to put a window on, or as a finished picture.
//
// Frames come as they are stored where the browser can read that: uncompressed, 8-bit JPEG, and what the server has
// codecs for (`decoding/`). Else the server unpacks grey ones, since the window is then a matter of this page alone,
// and draws everything else (palettes, 1 and 32 bits, colours that need more than to be shown).

import { ask, dicomweb } from "../server.js";
import { readStored } from "./decoding/stored.js";

const EXPLICIT_LITTLE = "1.2.840.10008.1.2.1";
const UNPACKED = `application/octet-stream; transfer-syntax=${EXPLICIT_LITTLE}`;
const FINISHED = "image/jpeg;q=0.9, image/png";

export async function readFrame(slide, signal) {
  const stored = await readStored(slide, signal);
  if (stored?.words) return valuesOf(stored.words, slide);
  if (stored) return pictureOf(stored.bitmap);
  return readByServer(slide, signal);
}

// The frame as the server decodes or draws it, or in a form that every browser reads.
export async function readByServer(slide, signal) {
  if (slide.kind === "values") {
    return slide.jpeg ? valuesOf(await readJpeg(slide, signal), slide) : valuesOf(await readUnpacked(slide, signal), slide);
  }
  const url = dicomweb(`${slide.path}/frames/${slide.frame}/rendered`);
  const answer = await ask(url, { signal, accept: FINISHED });
  return pictureOf(await createImageBitmap(await answer.blob()));
}

function pictureOf(bitmap) {
  return { bitmap, columns: bitmap.width, rows: bitmap.height, bytes: bitmap.width * bitmap.height * 4 };
}

async function readUnpacked(slide, signal) {
  const answer = await ask(dicomweb(`${slide.path}/frames/${slide.frame}`), { signal, accept: UNPACKED });
  const data = await answer.arrayBuffer();
  const count = slide.rows * slide.columns;
  if (data.byteLength < count * (slide.stored.allocated / 8)) throw new Error("the frame is shorter than its size says");
  // both are little endian: the stored form, and every machine that runs a browser
  return slide.stored.allocated === 16 ? new Uint16Array(data, 0, count) : new Uint8Array(data, 0, count);
}

async function readJpeg(slide, signal) {
  const accept = "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50";
  const answer = await ask(dicomweb(`${slide.path}/frames/${slide.frame}`), { signal, accept });
  const bitmap = await createImageBitmap(await answer.blob(), { colorSpaceConversion: "none" });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const colours = context.getImageData(0, 0, slide.columns, slide.rows).data;
  return Uint8Array.from({ length: slide.rows * slide.columns }, (_, at) => colours[at * 4]);
}

// The stored bits as numbers: bits beside them, as overlays once used, are cut off; the sign is drawn out.
function valuesOf(words, slide) {
  const { bits, high, signed, allocated } = slide.stored;
  const down = Math.max(0, high + 1 - bits);
  const spare = 32 - bits;
  const values = !signed ? words : allocated === 16 ? new Int16Array(words.buffer, words.byteOffset, words.length) : new Int8Array(words.buffer, words.byteOffset, words.length);
  let [least, greatest] = [Infinity, -Infinity];
  for (let at = 0; at < words.length; at += 1) {
    if (bits < allocated) {
      const raw = (words[at] >> down) << spare;
      values[at] = signed ? raw >> spare : raw >>> spare;
    }
    const value = values[at];
    if (value === slide.padding) continue;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  if (least > greatest) [least, greatest] = [0, 0];
  return { values, least, greatest, columns: slide.columns, rows: slide.rows, bytes: values.byteLength };
}
