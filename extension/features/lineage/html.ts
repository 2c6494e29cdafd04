/** The page before anything is shown in it: fixed words and places, under a policy that lets nothing else in. */

export interface PageOptions {
  /** Where the page may take its script and style from. */
  source: string;
  script: string;
  style: string;
  nonce: string;
}

/** No data is in it: what is shown comes by messages, and is set as text. */
export function pageHtml({ source, script, style, nonce }: PageOptions): string {
  const policy = `default-src 'none'; script-src 'nonce-${nonce}'; style-src ${source}`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>Lineage</title>
</head>
<body>
<header>
<h1 id="title">Lineage</h1>
<div class="search" role="search">
<input type="search" placeholder="Search ( / )" aria-label="Search nodes" aria-controls="canvas" spellcheck="false">
<span id="hits"></span>
</div>
<div class="buttons" role="group" aria-label="View and export">
<button id="compare" title="Choose a second model">Compare with…</button>
<button id="end-comparison" hidden>End Comparison</button>
<button id="all" hidden></button>
<button id="fit" title="Fit to view (0)">Fit</button>
<button id="smaller" title="Smaller (−)" aria-label="Smaller">−</button>
<button id="larger" title="Larger (+)" aria-label="Larger">+</button>
<button id="export-svg" title="Save what is shown as SVG" aria-label="Export as SVG">SVG</button>
<button id="export-mermaid" title="Save what is shown as Mermaid" aria-label="Export as Mermaid">Mermaid</button>
</div>
</header>
<p id="trouble" role="alert" hidden></p>
<main>
<p id="empty" role="status">Reading the records …</p>
<div id="canvas" role="tree" tabindex="0" aria-label="Lineage: what a model was made from stands left of it, what came of it right" aria-description="Left and right follow the lineage, up and down stay in the column, Enter opens, star shows what is left out, slash searches, plus and minus zoom, zero fits.">
<svg role="presentation">
<defs>
<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5L7.5 4L0 7.5Z"/></marker>
<marker id="arrow-near" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.5L7.5 4L0 7.5Z"/></marker>
</defs>
</svg>
</div>
<aside id="details" aria-label="Details" hidden></aside>
</main>
<p id="live" class="unseen" aria-live="polite"></p>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
