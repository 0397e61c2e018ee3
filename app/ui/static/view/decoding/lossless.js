// JPEG Lossless (ISO/IEC 10918-1 Annex H; PS3.5 A.4.2): Huffman-coded differences from what neighbours predict.
//
//   SOI | DHT: codes | SOF3: precision, size, components | DRI: restart interval | SOS: predictor, point transform
//   | scan, FF stuffed with 00, RSTn between intervals | EOI
//
// Grey, and three components side by side in one scan, as DICOM has them.

const [SOF3, DHT, DRI, SOS] = [0xffc3, 0xffc4, 0xffdd, 0xffda];
const LONGEST = 16; // bits of a code
const BEYOND = 64; // bits that may be asked for behind the end of a scan: what a last code is looked up with

// The samples as bytes: of each one, or two if it has more than 8 bits. Throws for what is damaged or of another kind.
export function decodeLossless(data) {
  const stream = readStream(data);
  const samples = new Uint16Array(stream.rows * stream.columns * stream.components.length);
  const scan = new Scan(data, stream.start);
  const { rows, interval, columns } = stream;
  const between = interval ? interval / columns : rows;
  for (let first = 0; first < rows; first += between) {
    if (first) scan.restart();
    for (let row = first; row < Math.min(rows, first + between); row += 1) decodeRow(stream, scan, samples, row, row === first);
  }
  if (stream.shift) for (let at = 0; at < samples.length; at += 1) samples[at] <<= stream.shift;
  return stream.precision > 8 ? new Uint8Array(samples.buffer) : Uint8Array.from(samples);
}

function readStream(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [tables, found] = [[], { interval: 0 }];
  for (let at = 2; ; ) {
    while (view.getUint16(at) === 0xffff) at += 1;
    const [marker, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const body = at + 4;
    at += 2 + length;
    if (marker === DHT) readTables(view, body, at, tables);
    else if (marker === DRI) found.interval = view.getUint16(body);
    else if (marker === SOF3) readFrame(view, body, found);
    else if (marker === SOS) return readScan(view, body, at, found, tables);
  }
}

function readFrame(view, at, found) {
  const count = view.getUint8(at + 5);
  const names = Array.from({ length: count }, (_, one) => view.getUint8(at + 6 + 3 * one));
  Object.assign(found, { precision: view.getUint8(at), rows: view.getUint16(at + 1), columns: view.getUint16(at + 3), names });
}

function readScan(view, at, start, found, tables) {
  const count = view.getUint8(at);
  if (count !== found.names?.length || found.interval % found.columns) throw new Error("a scan of another kind");
  const components = Array.from({ length: count }, (_, one) => tables[view.getUint8(at + 2 + 2 * one) >> 4]);
  const [predictor, shift] = [view.getUint8(at + 1 + 2 * count), view.getUint8(at + 3 + 2 * count) & 15];
  if (components.some((table) => !table) || predictor < 1 || predictor > 7) throw new Error("a scan without tables or predictor");
  return { ...found, components, predictor, shift, start };
}

// A table for all that may begin with 16 bits: of a code its length (above) and its value, 0 for what is no code.
function readTables(view, start, end, tables) {
  for (let at = start; at < end; ) {
    const [name, table] = [view.getUint8(at) & 15, new Uint16Array(1 << LONGEST)];
    let [code, value] = [0, at + 1 + LONGEST];
    for (let length = 1; length <= LONGEST; length += 1) {
      const span = 1 << (LONGEST - length);
      for (let many = view.getUint8(at + length); many > 0; many -= 1) {
        if (code + span > table.length) throw new Error("a Huffman table of too many codes");
        table.fill((length << 8) | view.getUint8(value), code, code + span);
        code += span;
        value += 1;
      }
    }
    tables[name] = table;
    at = value;
  }
}

// The bits of a scan. Where a marker stands there are zeros.
class Scan {
  constructor(data, at) {
    this.data = data;
    this.at = at;
    this.bits = 0;
    this.count = 0;
    this.beyond = 0;
  }

  fill() {
    while (this.count <= 24) {
      let byte = this.data[this.at];
      if (byte === 0xff && this.data[this.at + 1] === 0) this.at += 2;
      else if (byte === 0xff || byte === undefined) {
        this.beyond += 8;
        if (this.beyond > BEYOND) throw new Error("the scan is cut off");
        byte = 0;
      } else this.at += 1;
      this.bits = (this.bits << 8) | byte;
      this.count += 8;
    }
  }

  // The next difference, by a component's table (H.1.2.2).
  difference(table) {
    if (this.count < LONGEST) this.fill();
    const code = table[(this.bits >>> (this.count - LONGEST)) & 0xffff];
    this.count -= code >> 8;
    const width = code & 0xff;
    if (!code || width > 16) throw new Error("the scan is damaged");
    if (width === 0) return 0;
    if (width === 16) return 32768;
    if (this.count < width) this.fill();
    this.count -= width;
    const value = (this.bits >>> this.count) & ((1 << width) - 1);
    return value < 1 << (width - 1) ? value - (1 << width) + 1 : value;
  }

  // Behind the marker between two intervals.
  restart() {
    if (this.data[this.at] !== 0xff || (this.data[this.at + 1] & 0xf8) !== 0xd0) throw new Error("the scan is damaged");
    this.at += 2;
    this.count = this.beyond = 0;
  }
}

// A row of all components. The first of an interval is predicted from the left, the first sample by half the range.
function decodeRow({ components, columns, predictor, precision, shift }, scan, samples, row, first) {
  const step = components.length;
  const line = columns * step;
  let at = row * line;
  for (let column = 0; column < columns; column += 1) {
    for (let one = 0; one < step; one += 1, at += 1) {
      let guess = 1 << (precision - shift - 1);
      if (first) guess = column ? samples[at - step] : guess;
      else guess = column ? predict(predictor, samples[at - step], samples[at - line], samples[at - line - step]) : samples[at - line];
      samples[at] = guess + scan.difference(components[one]);
    }
  }
}

// From the neighbours to the left, above, and above to the left (table H.1).
function predict(predictor, left, above, corner) {
  switch (predictor) {
    case 1: return left;
    case 2: return above;
    case 3: return corner;
    case 4: return left + above - corner;
    case 5: return left + ((above - corner) >> 1);
    case 6: return above + ((left - corner) >> 1);
    default: return (left + above) >> 1;
  }
}
