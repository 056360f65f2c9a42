import express, { Router } from 'express';
// Not from the package's index, which evaluates the whole page's script.
import absolutePath from 'swagger-ui-dist/absolute-path.js';
import type { Operation } from '../operation.ts';
import { openApiDocument } from '../openapi.ts';
import { answerJson } from './answer.ts';

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Claude Code Hub API</title>
    <link rel="stylesheet" href="/api/actions/docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/api/actions/docs/swagger-ui-bundle.js"></script>
    <script src="/api/actions/docs/start.js"></script>
  </body>
</html>
`;

const start = `window.ui = SwaggerUIBundle({ dom_id: '#swagger-ui', url: '/api/actions/openapi.json' });\n`;

/** The document and a page to browse it, all served from here. */
export function docsRouter(operations: readonly Operation[], appUrl: string | undefined): Router {
  const router = Router();
  const document = openApiDocument(operations, appUrl);
  router.get('/api/actions/openapi.json', (_request, response) => answerJson(response, 200, document));
  router.get('/api/actions/docs', (_request, response) => void response.type('html').send(page));
  router.get('/api/actions/scalar', (_request, response) => response.redirect(302, '/api/actions/docs'));
  router.get('/api/actions/docs/start.js', (_request, response) => void response.type('js').send(start));
  router.use('/api/actions/docs', express.static(absolutePath(), { index: false, redirect: false, maxAge: '1d' }));
  return router;
}
