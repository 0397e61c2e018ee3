// What the header of a codestream says of its image, and whether all of it is there.
//
// Decoders make a blurred or a grey picture of what is cut off, without a word. So a frame is only given to one if its
// end has come, and of JPEG 2000 every tile (ISO/IEC 15444-1 A.4.2, A.5.1; ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2).

const JP2 = "0000000c6a5020200d0a870a"; // signature of a file around a codestream, which some devices send
const JP2C = 0x6a703263;
const SOC_SIZ = 0xff4fff51;
const [SOT, EOC] = [0xff90, 0xffd9];
const [SOI, SOS, EOI] = [0xffd8, 0xffda, 0xffd9];
const LOSSLESS = 0xffc3;
const JPEG_LS = 0xfff7;
const LEAST_TILE_PART = 14;

// { rows, columns, samples, precision, signed }; throws if this is no whole codestream that is read here.
export function readHeader(bytes, codec) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return codec === "openjpeg" ? jpeg2000(view) : jpeg(view, codec === "charls" ? JPEG_LS : LOSSLESS);
  } catch (error) {
    if (error instanceof RangeError) throw new Error("the codestream is cut off");
    throw error;
  }
}

// The codestream of a JP2 file (ISO/IEC 15444-1 I.4), or the data themselves.
export function bare(bytes) {
  if ([...bytes.subarray(0, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join("") !== JP2) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) === JP2C && length !== 1) return bytes.subarray(at + 8, length ? at + length : undefined);
    if (length < 8) break;
    at += length;
  }
  throw new Error("a JP2 file without a codestream");
}

function jpeg2000(view) {
  if (view.getUint32(0) !== SOC_SIZ) throw new Error("not a JPEG 2000 codestream");
  const [right, bottom, left, top, wide, high, tileLeft, tileTop] = Array.from({ length: 8 }, (_, at) => view.getUint32(8 + 4 * at));
  const samples = view.getUint16(40);
  const [depth, across, down] = [42, 43, 44].map((at) => view.getUint8(at));
  if (across !== 1 || down !== 1) throw new Error("sub-sampled components");
  const tiles = Math.ceil((right - tileLeft) / wide) * Math.ceil((bottom - tileTop) / high);
  let at = 2;
  while (view.getUint16(at) !== SOT) at += 2 + view.getUint16(at + 2);
  checkTiles(view, at, tiles);
  return { rows: bottom - top, columns: right - left, samples, precision: (depth & 0x7f) + 1, signed: depth > 0x7f };
}

function checkTiles(view, start, tiles) {
  const seen = new Set();
  let at = start;
  while (at + LEAST_TILE_PART <= view.byteLength && view.getUint16(at) === SOT) {
    seen.add(view.getUint16(at + 4));
    const length = view.getUint32(at + 6);
    if (length === 0) at = lastMarker(view, EOC); // it ends with the codestream
    else if (length < LEAST_TILE_PART) throw new Error("a tile-part without data");
    else at += length;
  }
  if (seen.size !== tiles || at + 2 > view.byteLength || view.getUint16(at) !== EOC) throw new Error("the codestream is cut off");
}

function jpeg(view, kind) {
  if (view.getUint16(0) !== SOI) throw new Error("not a JPEG image");
  if (lastMarker(view, EOI) < 0) throw new Error("the image is cut off");
  let frame = null;
  for (let at = 2; ; at += 2 + view.getUint16(at + 2)) {
    while (view.getUint16(at) === 0xffff) at += 1;
    const marker = view.getUint16(at);
    if (marker < 0xffc0) throw new Error("no marker where one was expected");
    if (marker === kind) {
      frame = { precision: view.getUint8(at + 4), rows: view.getUint16(at + 5), columns: view.getUint16(at + 7), samples: view.getUint8(at + 9), signed: false };
    }
    if (marker === SOS) break;
  }
  if (!frame) throw new Error("a JPEG image of another process");
  return frame;
}

// Where a marker stands at the end: behind it nothing, or what pads a fragment to an even length.
function lastMarker(view, marker) {
  for (const at of [view.byteLength - 2, view.byteLength - 3]) if (at > 0 && view.getUint16(at) === marker) return at;
  return -1;
}
