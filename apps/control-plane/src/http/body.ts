import express, { type Request, type Response } from 'express';

/** A body that was refused before anybody looked into it. */
export class BodyRefused extends Error {
  override readonly name = 'BodyRefused';
  /** 400, 413 or 415. */
  readonly status: number;
  /** Bytes. */
  readonly limit: number;
  constructor(status: number, limit: number) {
    super(`request body refused with ${status}`);
    this.status = status;
    this.limit = limit;
  }
}

/**
 * The whole body as text, decompressed.
 * @param limit bytes, after decompression
 * @throws BodyRefused
 */
export async function readBody(request: Request, response: Response, limit: number): Promise<string> {
  const read = express.raw({ type: () => true, limit });
  await new Promise<void>((resolve, reject) => {
    read(request, response, (error?: unknown) => {
      if (error === undefined || error === null) resolve();
      else reject(refusal(error, limit));
    });
  });
  const body: unknown = request.body;
  return Buffer.isBuffer(body) ? body.toString('utf8') : '';
}

function refusal(error: unknown, limit: number): unknown {
  if (typeof error !== 'object' || error === null || !('status' in error)) return error;
  return typeof error.status === 'number' && error.status < 500 ? new BodyRefused(error.status, limit) : error;
}

/** @returns undefined if the text is not JSON */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** `application/json`, `application/problem+json` and their like, with or without parameters. */
export function isJsonType(contentType: string | undefined): boolean {
  return /^application\/([a-z0-9.-]+\+)?json\b/i.test(contentType ?? '');
}

/** PostgreSQL holds neither NUL characters nor halves of surrogate pairs. */
export function isStorable(body: unknown): boolean {
  const left: unknown[] = [body];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'string') {
      if (value.includes('\0') || !isWellFormed(value)) return false;
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) left.push(name, inner);
    }
  }
  return true;
}

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}
