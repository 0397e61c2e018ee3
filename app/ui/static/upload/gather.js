// The files of what was dropped or chosen: folders are walked, however deep.

const PASSED_OVER = /^(\..*|thumbs\.db|desktop\.ini|dicomdir|__macosx)$/i;

// Yields { file, path } for files and file system entries.
export async function* gather(dropped) {
  for (const one of dropped) {
    if (one instanceof File) {
      const path = one.webkitRelativePath || one.name;
      if (!path.split("/").some((part) => PASSED_OVER.test(part))) yield { file: one, path };
    } else yield* walk(one);
  }
}

async function* walk(entry) {
  if (PASSED_OVER.test(entry.name)) return;
  if (entry.isFile) {
    yield { file: await new Promise((done, failed) => entry.file(done, failed)), path: entry.fullPath.replace(/^\//, "") };
  } else if (entry.isDirectory) {
    const reader = entry.createReader();
    for (;;) {
      // a folder is told in parts, the end by an empty one
      const part = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!part.length) return;
      for (const one of part) yield* walk(one);
    }
  }
}
