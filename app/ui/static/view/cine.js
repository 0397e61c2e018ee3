// Playing a stack: the next frame when it is time and it has come.

import { text, values } from "../dicom.js";

const USUAL = 15;

// Frames a second, as the object asks for (PS3.3 C.7.6.5).
export function usualRate(slide) {
  const { header } = slide;
  for (const tag of ["00082144", "00180040"]) {
    const rate = Number(text(header, tag));
    if (rate > 0) return Math.min(60, rate);
  }
  const milliseconds = Number(values(header, "00181063")[0]);
  return milliseconds > 0 ? Math.min(60, Math.round(1000 / milliseconds)) : USUAL;
}

export class Cine {
  // `step()` goes on by one and says whether it could.
  constructor(step) {
    this.step = step;
    this.rate = USUAL;
    this.due = 0;
  }

  get playing() {
    return this.due !== 0;
  }

  play() {
    let last = performance.now();
    const tick = (now) => {
      this.due = requestAnimationFrame(tick);
      const pause = 1000 / this.rate;
      if (now - last < pause - 2) return;
      if (this.step()) last = now - last > 2 * pause ? now : last + pause;
    };
    this.due = requestAnimationFrame(tick);
  }

  stop() {
    cancelAnimationFrame(this.due);
    this.due = 0;
  }
}
