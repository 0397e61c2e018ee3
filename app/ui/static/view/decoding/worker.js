// The worker that decodes: one frame at a time, each kind's decoder loaded with its first frame.
//
// It is told { folder, codec, data, image } and answers { words } or { bitmap }, or { error, unloaded }: `unloaded`
// if the decoder itself could not be had.

import { bare, readHeader } from "./codestream.js";
import { toPixels, toWords } from "./samples.js";

const loaded = new Map(); // codec to a promise of the function that decodes with it

const LOADERS = {
  openjpeg: (folder) => assembled(folder, "openjpeg/openjpegwasm_decode.js", "J2KDecoder"),
  charls: (folder) => assembled(folder, "charls/charlswasm_decode.js", "JpegLSDecoder"),
  lossless: async () => {
    const { decodeLossless } = await import("./lossless.js");
    return (data) => ({ bytes: decodeLossless(data) });
  },
};

// A decoder in WebAssembly. Its memory is its own: what it gives is copied before the next frame.
async function assembled(folder, path, name) {
  const script = new URL(path, folder);
  const { default: make } = await import(script);
  const module = await make({ locateFile: (file) => new URL(file, script).href, print: () => {}, printErr: () => {} });
  return (data) => {
    const decoder = new module[name]();
    try {
      decoder.getEncodedBuffer(data.byteLength).set(data);
      decoder.decode();
      return { bytes: decoder.getDecodedBuffer().slice(), told: decoder.getFrameInfo(), planes: decoder.getInterleaveMode?.() === 0 };
    } finally {
      decoder.delete();
    }
  };
}

async function decoderOf(folder, codec) {
  if (!loaded.has(codec)) loaded.set(codec, LOADERS[codec](folder));
  try {
    return await loaded.get(codec);
  } catch (error) {
    loaded.delete(codec);
    throw Object.assign(error, { unloaded: true });
  }
}

async function work({ folder, codec, data: frame, image }) {
  const decode = await decoderOf(folder, codec);
  const data = codec === "openjpeg" ? bare(frame) : frame;
  const header = readHeader(data, codec);
  check(header, image);
  const { bytes, told, planes } = safely(() => decode(data), codec);
  const size = header.rows * header.columns * header.samples * (header.precision > 8 ? 2 : 1);
  if (bytes.byteLength !== size || (told && told.bitsPerSample !== header.precision)) throw new Error("the decoder gave something else than was declared");
  if (image.samples === 1) return { words: toWords(bytes, header, image) };
  return { bitmap: await createImageBitmap(toPixels(planes ? pixelwise(bytes) : bytes, header)) };
}

// After an exception nothing is known of a decoder's memory: the next frame gets a new one.
function safely(decoding, codec) {
  try {
    return decoding();
  } catch (error) {
    loaded.delete(codec);
    throw error;
  }
}

function check(header, image) {
  const differ = ["rows", "columns", "samples"].some((name) => header[name] !== image[name]);
  if (differ || header.precision > image.allocated) throw new Error("the codestream is not the image that is described");
  if (image.samples === 3 && (header.precision !== 8 || header.signed)) throw new Error("colours of other than 8 bits");
}

// Three planes, one behind the other, as pixels.
function pixelwise(planes) {
  const count = planes.length / 3;
  return Uint8Array.from(planes, (_, at) => planes[(at % 3) * count + Math.floor(at / 3)]);
}

addEventListener("message", async ({ data: job }) => {
  try {
    const made = await work(job);
    postMessage(made, [made.bitmap ?? made.words.buffer]);
  } catch (error) {
    // what a decoder in WebAssembly throws may be a number, or an exception of its own
    postMessage({ error: error?.message || String(error), unloaded: Boolean(error?.unloaded) });
  }
});
