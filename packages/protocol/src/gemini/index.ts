import type { Protocol } from '../protocol.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { decoder, encoder } from './stream.ts';

/** Gemini generateContent, bare or in the envelope of Gemini CLI's internal endpoint. */
export const gemini: Protocol = { decodeRequest, encodeRequest, decodeResponse, encodeResponse, decoder, encoder };
