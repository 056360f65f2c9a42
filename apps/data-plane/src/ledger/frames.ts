import { crc32 } from 'node:zlib';

/**
 * The ledger's file format: frames of [length u32][crc32 u32][type u8][payload], big endian. A frame that is cut or
 * damaged ends its file: what follows cannot be trusted.
 */

/** begin: the request was admitted; end: what happened to it. The payload is a UsageRecord. */
export const frameTypes = { begin: 1, end: 2 } as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export interface Frame {
  readonly type: number;
  readonly payload: Buffer;
  /** Bytes of the whole frame. */
  readonly size: number;
}

const headerBytes = 9;
/** No record is this large; a length beyond it is damage. */
const maxPayloadBytes = 64 * 1024 * 1024;

export function encodeFrame(type: FrameType, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + payload.length);
  frame.writeUInt32BE(payload.length, 0);
  frame[8] = type;
  frame.set(payload, headerBytes);
  frame.writeUInt32BE(crc32(frame.subarray(8)), 4);
  return frame;
}

/**
 * @returns the frame at `offset`; "more" if it is not all there; "damaged" if it cannot be one
 */
export function decodeFrame(bytes: Buffer, offset: number): Frame | 'more' | 'damaged' {
  if (bytes.length - offset < headerBytes) return 'more';
  const length = bytes.readUInt32BE(offset);
  if (length > maxPayloadBytes) return 'damaged';
  const size = headerBytes + length;
  if (bytes.length - offset < size) return 'more';
  if (crc32(bytes.subarray(offset + 8, offset + size)) !== bytes.readUInt32BE(offset + 4)) return 'damaged';
  return { type: bytes[offset + 8] ?? 0, payload: bytes.subarray(offset + headerBytes, offset + size), size };
}
