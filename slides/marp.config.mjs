// How Marp makes HTML and PDF from the decks: `make slides`.

import { readFileSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const TYPES = { ".svg": "image/svg+xml", ".png": "image/png" };

// Pictures go into the page itself: a deck is one file, which can be mailed and shows
// the same wherever it lies. A picture that is missing stops the build.
function embedPictures(md) {
  md.core.ruler.push("embed_pictures", ({ tokens }) => {
    const all = tokens.flatMap((token) => [token, ...(token.children ?? [])]);
    for (const image of all.filter((token) => token.type === "image")) {
      const source = image.attrGet("src");
      const type = TYPES[extname(source)];
      if (!type) throw new Error(`${source}: pictures are .svg or .png files`);
      const bytes = readFileSync(resolve(here, source));
      image.attrSet("src", `data:${type};base64,${bytes.toString("base64")}`);
    }
  });
}

export default {
  themeSet: resolve(here, "theme.css"),
  engine: ({ marp }) => marp.use(embedPictures),
  options: {
    // Both would be fetched from elsewhere when the page is shown
    emoji: { shortcode: false, unicode: false },
    math: "mathjax",
  },
};
