/** What a body is, judged by its first bytes. */
export type BodyKind = 'html' | 'json' | 'sse' | 'empty' | 'other';

/** How far into a body one has to look, bytes; more need not be passed. */
const lookAhead = 512;

/**
 * Tells what the body of an answer is. The bytes decide, since pages of proxies and gateways come under any content type
 * and status; the content type only decides where the bytes could be several things. `empty`: nothing but white space so
 * far (some upstreams send blank lines to keep a connection open, so it may still become something).
 */
export function classifyBody(contentType: string | undefined, firstBytes: Uint8Array): BodyKind {
  const text = new TextDecoder().decode(firstBytes.subarray(0, lookAhead)).trimStart();
  if (text === '') return 'empty';
  const type = contentType?.toLowerCase() ?? '';
  const first = text.charAt(0);
  if (first === '<') return isPage(text) || type.includes('html') ? 'html' : 'other';
  if (first === '{' || first === '[') return 'json';
  if (isEventStream(text)) return 'sse';
  // The first bytes may end within a field name.
  if (type.includes('event-stream')) return fieldNames.some((name) => name.startsWith(text)) ? 'sse' : 'other';
  if (type.includes('json')) return /^(?:"|-?\d|true|false|null)/.test(text) ? 'json' : 'other';
  return 'other';
}

const fieldNames = ['data:', 'event:', 'id:', 'retry:'];

function isEventStream(text: string): boolean {
  return text.startsWith(':') || fieldNames.some((name) => text.startsWith(name));
}

function isPage(text: string): boolean {
  return /^<(?:!doctype\s+html|!--|html|head|body|title|meta|script|style|h1|div|center|p\b)/i.test(text);
}
