import type { Protocol } from '../protocol.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { decoder, encoder } from './stream.ts';

/** OpenAI Chat Completions, with what its many relays and imitators add. */
export const openAiChat: Protocol = { decodeRequest, encodeRequest, decodeResponse, encodeResponse, decoder, encoder };
