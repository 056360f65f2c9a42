import type { Protocol } from '../protocol.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { decoder, encoder } from './stream.ts';

/** Anthropic Messages. */
export const anthropic: Protocol = { decodeRequest, encodeRequest, decodeResponse, encodeResponse, decoder, encoder };
