/** What the processes of the bench read of their environment. */

/** Where the bare proxy sends everything. */
export function bareProxyUpstream(): string {
  const url = process.env['BENCH_UPSTREAM'];
  if (url === undefined) throw new Error('BENCH_UPSTREAM is not set: this process is started by the bench');
  return url;
}

/** The little that a child needs of our environment: nobody's DATABASE_URL or API key gets into a measurement. */
export function childEnvironment(own: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: process.env['TMPDIR'], ...own };
}

/** The full search path for programs. */
export function searchPath(): string {
  return process.env['PATH'] ?? '';
}
