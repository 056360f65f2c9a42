import type { Registry } from '@hub/service';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Services } from './context.ts';
import { actionsHandler } from './http/actions.ts';
import { answerEmpty, answerJson, answerText } from './http/answer.ts';
import { docsRouter } from './http/docs.ts';
import { loginHandler, logout } from './http/login.ts';
import { onlyMethods } from './http/methods.ts';
import { systemSettingsRouter } from './http/system-settings.ts';
import { allOperations } from './operations.ts';

export interface AppOptions {
  readonly services: Services;
  readonly metrics: Registry;
  /** Undefined: nobody is admin by token. */
  readonly adminToken: string | undefined;
  readonly secureCookies: boolean;
  /** Where the API is reached from outside. */
  readonly appUrl: string | undefined;
  /** How many proxies before us may say who the client is. */
  readonly trustedProxies: number;
}

/** The version of the API, which is v0.3.42's. */
const apiVersion = '1.0.0';

/** The HTTP side of the control plane. No CORS headers: it is for its own pages and for programs. */
export function createApp(options: AppOptions): Express {
  const { services, metrics, adminToken, secureCookies } = options;
  const operations = allOperations(services.clock);
  const app = express();
  app.disable('x-powered-by');
  app.set('etag', false);
  app.set('case sensitive routing', true);
  app.set('trust proxy', options.trustedProxies);
  app.use(
    helmet({
      // The hub is often reached without TLS inside a network; whoever terminates TLS before it says this for the host.
      strictTransportSecurity: false,
      contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    }),
  );
  app.use(withoutTrailingSlash);
  app.get('/', (_request, response) => response.redirect(307, '/api/actions/docs'));
  app.get('/api/actions/health', (_request, response) =>
    answerJson(response, 200, { status: 'ok', timestamp: new Date(services.clock.now()).toISOString(), version: apiVersion }),
  );
  app.use(docsRouter(operations, options.appUrl));
  app.all('/api/actions/*path', actionsHandler({ services, operations, adminToken, metrics }));
  app.post('/api/auth/login', loginHandler({ services, adminToken, secureCookies }));
  app.post('/api/auth/logout', logout);
  app.all(['/api/auth/login', '/api/auth/logout'], onlyMethods('OPTIONS, POST'));
  app.use(systemSettingsRouter({ services, adminToken }));
  app.use((_request: Request, response: Response) => answerText(response, 404, '404 Not Found'));
  app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    // For instance a path with broken percent-encoding.
    const status = typeof error === 'object' && error !== null && 'status' in error && error.status === 400 ? 400 : 500;
    if (status === 500) services.log.error({ err: error }, 'request failed');
    if (response.headersSent) return next(error);
    answerEmpty(response, status);
  });
  return app;
}

function withoutTrailingSlash(request: Request, response: Response, next: NextFunction): void {
  const [path = '', query] = splitOnce(request.originalUrl, '?');
  if (!/^\/api\/.*[^/]\/$/.test(path)) return next();
  const location = path.slice(0, -1) + (query === undefined ? '' : `?${query}`);
  response.setHeader('location', location);
  response.statusCode = 308;
  response.end(location);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
