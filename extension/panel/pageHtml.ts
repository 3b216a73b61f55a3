import { randomBytes } from 'node:crypto';
import { Uri, type Webview } from 'vscode';

/** The panel's page: nothing is allowed but the page's own script (by nonce), its style sheet and its icons. */
export function pageHtml(webview: Webview, extensionUri: Uri): string {
  const nonce = randomBytes(16).toString('base64url');
  const script = webview.asWebviewUri(Uri.joinPath(extensionUri, 'dist', 'webview.js')).toString();
  const style = webview.asWebviewUri(Uri.joinPath(extensionUri, 'media', 'panel.css')).toString();
  // The toolkit's components style themselves through style elements: 'unsafe-inline' goes when they do.
  const policy = `default-src 'none'; img-src ${webview.cspSource}; font-src ${webview.cspSource}; style-src ${webview.cspSource} 'unsafe-inline'; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Study</title>
<link rel="stylesheet" href="${style}">
</head>
<body>
<noscript>The study panel needs scripts.</noscript>
<script type="module" nonce="${nonce}" src="${script}"></script>
</body>
</html>`;
}
