import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '@hub/service';
import type { Response } from 'express';
import { z } from 'zod';

/** A file that is made while it is sent. */
export class Download {
  readonly fileName: string;
  readonly contentType: string;
  /** How many rows there will be, told before the first, for those who show progress. */
  readonly rows: number;
  readonly chunks: AsyncIterable<string>;
  constructor({ fileName, contentType, rows, chunks }: { fileName: string; contentType: string; rows: number; chunks: AsyncIterable<string> }) {
    this.fileName = fileName;
    this.contentType = contentType;
    this.rows = rows;
    this.chunks = chunks;
  }
}

/** No faster than the client reads. A file that cannot be finished is cut off, so that nobody takes it for whole; a client that leaves ends it. */
export async function sendDownload(download: Download, response: Response, log: Logger): Promise<void> {
  response.statusCode = 200;
  response.setHeader('content-type', download.contentType);
  response.setHeader('content-disposition', `attachment; filename="${download.fileName}"`);
  response.setHeader('x-total-rows', String(download.rows));
  response.setHeader('cache-control', 'no-store');
  try {
    await pipeline(Readable.from(download.chunks), response);
  } catch (error) {
    const left = error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';
    if (!left) log.error({ err: error, file: download.fileName }, 'a download could not be finished');
    response.destroy();
  }
}

/** What an operation declares as its output if it answers with a CSV file instead of the envelope. */
export const csvFile = z
  .custom<Download>((value) => value instanceof Download)
  .meta({ description: 'CSV in UTF-8 with a byte order mark', override: { type: 'string' } });
