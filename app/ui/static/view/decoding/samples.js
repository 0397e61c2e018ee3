// Decoded samples as the attributes of the image want them: the same rules as the server's.

// Words of Bits Allocated, signed ones as two's complement. Where a codestream has unsigned samples for signed ones,
// as all JPEG and JPEG-LS, they are two's complement in its precision; signed ones for unsigned are taken modulo it.
export function toWords(decoded, header, image) {
  const source = words(decoded, header);
  const into = image.allocated === 16 ? new Uint16Array(source.length) : new Uint8Array(source.length);
  const spare = 32 - header.precision;
  if (header.signed === image.signed) into.set(source);
  else if (image.signed) for (let at = 0; at < source.length; at += 1) into[at] = (source[at] << spare) >> spare;
  else for (let at = 0; at < source.length; at += 1) into[at] = (source[at] << spare) >>> spare;
  return into;
}

// Samples of 8 bits, red, green and blue of a pixel side by side, as pixels of a picture.
export function toPixels(decoded, { rows, columns }) {
  const pixels = new Uint32Array(rows * columns);
  for (let at = 0, from = 0; at < pixels.length; at += 1, from += 3) {
    pixels[at] = 0xff000000 | (decoded[from + 2] << 16) | (decoded[from + 1] << 8) | decoded[from];
  }
  return new ImageData(new Uint8ClampedArray(pixels.buffer), columns, rows);
}

// Decoders give bytes: of each sample one, or two if it has more than 8 bits.
function words(bytes, { precision, signed }) {
  const [offset, count] = [bytes.byteOffset, bytes.byteLength];
  if (precision <= 8) return signed ? new Int8Array(bytes.buffer, offset, count) : bytes;
  return signed ? new Int16Array(bytes.buffer, offset, count / 2) : new Uint16Array(bytes.buffer, offset, count / 2);
}
