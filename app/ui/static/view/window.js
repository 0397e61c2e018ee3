// Windows: from stored values to grey (PS3.3 C.11.2.1.2), by a table over the values that occur.

// The window that a frame is shown with when nobody chose one.
export function usualWindow(slide, frame) {
  if (slide.windows.length) return { center: slide.windows[0].center, width: slide.windows[0].width };
  const [low, high] = [frame.least, frame.greatest].map((value) => value * slide.slope + slide.intercept);
  return { center: (low + high) / 2, width: Math.max(1, Math.abs(high - low)) };
}

// Presets by modality: name, center, width.
export const PRESETS = {
  CT: [["abdomen", 60, 400], ["lung", -600, 1500], ["brain", 40, 80], ["bone", 480, 2500], ["mediastinum", 40, 450], ["liver", 90, 150]],
};

function shade(slide, { center, width }) {
  if (slide.sigmoid) return (value) => 255 / (1 + Math.exp((-4 * (value - center)) / width));
  const [middle, range] = slide.exact ? [center, width] : [center - 0.5, Math.max(width - 1, 1e-6)];
  return (value) => ((value - middle) / range + 0.5) * 255;
}

// RGBA words for the stored values from `least` to `greatest`.
function table(slide, frame, window, invert) {
  const grey = shade(slide, window);
  const words = new Uint32Array(frame.greatest - frame.least + 1);
  const turned = slide.inverted !== Boolean(invert);
  for (let at = 0; at < words.length; at += 1) {
    const value = (frame.least + at) * slide.slope + slide.intercept;
    let level = Math.min(255, Math.max(0, Math.round(grey(value))));
    if (turned) level = 255 - level;
    words[at] = 0xff000000 | (level << 16) | (level << 8) | level;
  }
  return words;
}

// The frame as pixels of a canvas.
export function paint(slide, frame, window, invert, pixels) {
  const words = table(slide, frame, window, invert);
  const into = new Uint32Array(pixels.data.buffer);
  const { values, least, greatest } = frame;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    into[at] = words[value < least ? 0 : value > greatest ? words.length - 1 : value - least];
  }
}
