import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface OpsServerOptions {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
  /** An empty list means ready; otherwise the reasons why not. */
  readonly notReady: () => readonly string[];
  /** A prom-client registry, of this process or of all workers. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * The port for the operator, apart from the one for clients: `/livez` (the process answers), `/readyz` (it can serve;
 * 503 with the reasons if not) and `/metrics` (Prometheus text).
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === '/livez') return answer(response, 200, { status: 'ok' });
    if (path === '/readyz') {
      const reasons = options.notReady();
      return answer(response, reasons.length === 0 ? 200 : 503, { status: reasons.length === 0 ? 'ok' : 'not ready', reasons });
    }
    if (path === '/metrics') {
      options.metrics.metrics().then(
        (text) => response.writeHead(200, { 'content-type': options.metrics.contentType }).end(text),
        (error: unknown) => answer(response, 500, { error: String(error) }),
      );
      return;
    }
    answer(response, 404, { error: 'not found; there are /livez, /readyz and /metrics' });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}
