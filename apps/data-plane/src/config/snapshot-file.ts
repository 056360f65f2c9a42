import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromBinary, wire } from '@hub/contract';
import type { Logger, Sealer } from '@hub/service';

/** The last good snapshot on disk, sealed: what a data plane starts from when nobody else is there. */
export interface SnapshotFile {
  /** undefined: there is none, or it cannot be opened (another key, another format). */
  read(): Promise<{ version: string; entities: wire.Entity[] } | undefined>;
  /** Writes soon, the newest state only. The entities are read when it is written. */
  write(version: string, entities: Iterable<Uint8Array>): void;
  /** The newest state is not on disk yet. */
  readonly unsaved: boolean;
  /** Resolves when nothing is left to write. */
  settled(): Promise<void>;
}

const purpose = 'snapshot';
const magic = Buffer.from('HUBSNAP1');
/** The first change is written at once, those that follow within this time together. ms */
const gatherMs = 500;

export function openSnapshotFile(path: string, sealer: Sealer, log: Logger): SnapshotFile {
  let newest: { version: string; entities: Iterable<Uint8Array> } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let pending = 0;
  let lastWriteAt = 0;

  const writeNow = async (): Promise<void> => {
    const state = newest;
    newest = undefined;
    if (state === undefined) return;
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const temporary = `${path}.${process.pid}.tmp`;
      await writeFile(temporary, sealer.sealBytes(encode(state.version, state.entities), purpose), { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      log.error({ err: error, path }, 'the snapshot cannot be kept on disk; a restart would need the control plane');
    }
  };
  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    lastWriteAt = performance.now();
    pending++;
    writing = writing.then(writeNow).finally(() => pending--);
    return writing;
  };
  return {
    async read() {
      let sealed: Buffer;
      try {
        sealed = await readFile(path);
      } catch {
        return undefined;
      }
      try {
        return decode(sealer.openBytes(sealed, purpose));
      } catch (error) {
        log.warn({ err: error, path }, 'the snapshot on disk cannot be opened; waiting for the control plane');
        return undefined;
      }
    },
    write(version, entities) {
      newest = { version, entities };
      const waitMs = Math.max(0, lastWriteAt + gatherMs - performance.now());
      timer ??= setTimeout(() => void flush(), lastWriteAt === 0 ? 0 : waitMs);
    },
    get unsaved() {
      return newest !== undefined || pending > 0;
    },
    settled: flush,
  };
}

/** magic, then length-prefixed (u32): the version, every entity. */
function encode(version: string, entities: Iterable<Uint8Array>): Buffer {
  const parts: Uint8Array[] = [magic];
  const push = (bytes: Uint8Array) => {
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  };
  push(Buffer.from(version));
  for (const entity of entities) push(entity);
  return Buffer.concat(parts);
}

function decode(bytes: Buffer): { version: string; entities: wire.Entity[] } {
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new Error('another file format');
  let offset = magic.length;
  const next = (): Buffer => {
    const length = bytes.readUInt32BE(offset);
    const part = bytes.subarray(offset + 4, offset + 4 + length);
    if (part.length !== length) throw new Error('the file is cut');
    offset += 4 + length;
    return part;
  };
  const version = next().toString('utf8');
  const entities: wire.Entity[] = [];
  while (offset < bytes.length) entities.push(fromBinary(wire.EntitySchema, next()));
  return { version, entities };
}
