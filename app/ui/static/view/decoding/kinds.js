// Which decoder is for which transfer syntax, and the media type its frames are asked for with (PS3.18 8.7.3.3.2).

const JPEG_2000 = { codec: "openjpeg", media: "image/jp2" };
const HIGH_THROUGHPUT = { codec: "openjpeg", media: "image/jphc" };
const JPEG_LS = { codec: "charls", media: "image/jls" };
const LOSSLESS = { codec: "lossless", media: "image/jpeg", own: true }; // decoded by these pages themselves

const KINDS = {
  "1.2.840.10008.1.2.4.57": LOSSLESS,
  "1.2.840.10008.1.2.4.70": LOSSLESS,
  "1.2.840.10008.1.2.4.80": JPEG_LS,
  "1.2.840.10008.1.2.4.81": JPEG_LS,
  "1.2.840.10008.1.2.4.90": JPEG_2000,
  "1.2.840.10008.1.2.4.91": JPEG_2000,
  "1.2.840.10008.1.2.4.201": HIGH_THROUGHPUT,
  "1.2.840.10008.1.2.4.202": HIGH_THROUGHPUT,
  "1.2.840.10008.1.2.4.203": HIGH_THROUGHPUT,
};

// The kind of a frame; undefined if the server is to decode it. Of colours those alone that come out as red, green
// and blue of 8 bits and are shown so.
export function kindOf(slide) {
  return slide.kind === "values" || slide.rgb ? KINDS[slide.syntax] : undefined;
}
