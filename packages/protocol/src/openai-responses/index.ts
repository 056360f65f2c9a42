import type { Protocol } from '../protocol.ts';
import { decodeRequest, encodeRequest } from './request.ts';
import { decodeResponse, encodeResponse } from './response.ts';
import { decoder, encoder } from './stream.ts';

/** OpenAI Responses, with what Codex adds. */
export const openAiResponses: Protocol = { decodeRequest, encodeRequest, decodeResponse, encodeResponse, decoder, encoder };
